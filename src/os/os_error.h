// errno becomes an Error: "<operation> <operand>: <cause>", with the code that the cause implies.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::os {

// ENOSPC, EDQUOT, EFBIG, ENOMEM, EMFILE and ENFILE are kLimit; everything else is kIo. The caller
// reads errno before anything else can change it.
[[nodiscard]] ErrorCode code_of_errno(int error) noexcept;

// Returns the system's text for `error`, thread-safely.
[[nodiscard]] std::string errno_text(int error);

[[nodiscard]] Error os_error(int error, std::string_view operation, std::string_view operand);

// "<operation> of <size> bytes at offset <offset> failed: <cause>"; the caller adds the file's
// name.
[[nodiscard]] Error transfer_error(int error, std::string_view operation, std::uint64_t size,
                                   std::uint64_t offset);

}  // namespace wpack::os
