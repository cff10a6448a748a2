#include "os/os_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace wpack::os {

ErrorCode code_of_errno(int error) noexcept {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      return ErrorCode::kLimit;
    default:
      return ErrorCode::kIo;
  }
}

std::string errno_text(int error) { return std::generic_category().message(error); }

Error os_error(int error, std::string_view operation, std::string_view operand) {
  return {code_of_errno(error), error,
          fmt::format("{}: {} failed: {}", operand, operation, errno_text(error))};
}

Error transfer_error(int error, std::string_view operation, std::uint64_t size,
                     std::uint64_t offset) {
  return {code_of_errno(error), error,
          fmt::format("{} of {} bytes at offset {} failed: {}", operation, size, offset,
                      errno_text(error))};
}

}  // namespace wpack::os
