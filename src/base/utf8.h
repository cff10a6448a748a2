// UTF-8: decoding one character, for printing, and validating whole texts.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace wpack::base {

struct DecodedCharacter {
  char32_t code_point = 0;
  std::size_t size = 0;  // bytes
};

// Decodes the character at the front of `text` (not empty), or returns nullopt if the bytes there
// are not well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF).
[[nodiscard]] std::optional<DecodedCharacter> decode_utf8(std::string_view text) noexcept;

[[nodiscard]] constexpr bool is_utf8_continuation(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

// True if all of `text` is well-formed UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// Returns `text` with U+FFFD in place of every byte that is in no well-formed character.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace wpack::base
