// What every fuzz target asserts with: a property that does not hold ends the process, so that the
// fuzzer keeps the input, in every build type.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/utf8.h"
#include "wpack/error.h"

namespace wpack::fuzz {

// `property` is a sentence about what should hold; `detail` is printed behind it.
inline void require(bool holds, const char* property, std::string_view detail = {}) {
  if (holds) return;
  (void)std::fprintf(stderr, "property does not hold: %s %.*s\n", property,
                     static_cast<int>(detail.size()), detail.data());
  std::abort();
}

inline constexpr std::size_t kMaxMessageSize = 4096;

// `text` is one line that a terminal prints as it is.
inline void require_one_line(std::string_view text, const char* what) {
  require(std::ranges::none_of(text,
                               [](char byte) {
                                 const auto value = static_cast<unsigned char>(byte);
                                 return value < 0x20 || value == 0x7F;
                               }),
          what, "is one line without control bytes");
  require(base::is_utf8(text), what, "is UTF-8");
}

// A refusal is a kind of error that an input can cause, told in one short line.
inline void require_refusal(const Error& error) {
  const ErrorCode code = error.code();
  require(code == ErrorCode::kBadInput || code == ErrorCode::kIntegrity ||
              code == ErrorCode::kLimit || code == ErrorCode::kIo,
          "an input is refused with a code for inputs:", error.message());
  require(!error.message().empty() && error.message().size() <= kMaxMessageSize,
          "a message has 1 to 4096 bytes:", error.message());
  require_one_line(error.message(), "a message");
}

}  // namespace wpack::fuzz
