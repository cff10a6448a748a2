// What every engine refuses in the same way.
#pragma once

#include <memory>

#include "wpack/async_reader.h"

namespace wpack::io {

// Wraps an engine so that requests that break its limits, and calls from a fork of the process that
// made it, never get to it.
[[nodiscard]] std::unique_ptr<AsyncReader> guard(std::unique_ptr<AsyncReader> engine);

}  // namespace wpack::io
