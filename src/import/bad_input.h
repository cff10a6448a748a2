// What parsers say of a source that is malformed, or that they do not support.
#pragma once

#include <string>
#include <utility>

#include "wpack/error.h"

namespace wpack::import {

[[nodiscard]] inline Error bad(std::string message) {
  return {ErrorCode::kBadInput, std::move(message)};
}

}  // namespace wpack::import
