#include "wpack/error.h"

namespace wpack {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInternal:
      return "internal";
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kBadInput:
      return "bad input";
    case ErrorCode::kIntegrity:
      return "integrity";
    case ErrorCode::kIo:
      return "input/output";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kUnsupportedHost:
      return "unsupported host";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kDeadline:
      return "deadline";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

Error Error::in(std::string_view context) && {
  std::string message(context);
  message += ": ";
  message += message_;
  message_ = std::move(message);
  return std::move(*this);
}

}  // namespace wpack
