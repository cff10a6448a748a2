#include "system.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "wpack/text.h"

namespace wpack::cli {

Error system_failure(std::string_view operation, const std::string& path, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? ErrorCode::kLimit : ErrorCode::kIo, error,
          fmt::format("{}: {} failed: {}", escape_name(path), operation,
                      std::generic_category().message(error))};
}

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing sets any
  return value == nullptr ? "" : value;
}

}  // namespace wpack::cli
