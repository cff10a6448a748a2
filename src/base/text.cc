#include "wpack/text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace wpack {
namespace {

bool is_unsafe(char32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0) ||
         (code_point >= 0x200E && code_point <= 0x200F) ||
         (code_point >= 0x2028 && code_point <= 0x202E) ||
         (code_point >= 0x2066 && code_point <= 0x2069) || code_point == 0xFEFF ||
         code_point == 0x061C;
}

void append_byte(unsigned char byte, std::string& out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\x";
  out += kDigits[byte >> 4U];
  out += kDigits[byte & 0xFU];
}

// Appends the printable form of the character at the front of `rest` and returns its length there.
std::size_t append_escaped(std::string_view rest, std::string& out) {
  const auto decoded = base::decode_utf8(rest);
  if (!decoded) {
    append_byte(static_cast<unsigned char>(rest.front()), out);
    return 1;
  }
  if (decoded->code_point == U'\\') {
    out += "\\\\";
  } else if (!is_unsafe(decoded->code_point)) {
    out += rest.substr(0, decoded->size);
  } else if (decoded->code_point < 0x80) {
    append_byte(static_cast<unsigned char>(decoded->code_point), out);
  } else {
    fmt::format_to(std::back_inserter(out), "\\u{{{:04x}}}",
                   static_cast<unsigned>(decoded->code_point));
  }
  return decoded->size;
}

// Cuts at most `size` bytes off the front (or back) without splitting a character.
std::string_view head(std::string_view text, std::size_t size) {
  while (size > 0 && base::is_utf8_continuation(text[size])) --size;
  return text.substr(0, size);
}
std::string_view tail(std::string_view text, std::size_t size) {
  std::size_t begin = text.size() - size;
  while (begin < text.size() && base::is_utf8_continuation(text[begin])) ++begin;
  return text.substr(begin);
}

// Returns the printable form of `text`, or its front of more than `max_size` bytes.
std::string escape_front(std::string_view text, std::size_t max_size) {
  std::string out;
  out.reserve(std::min(text.size(), max_size));
  while (!text.empty() && out.size() <= max_size) text.remove_prefix(append_escaped(text, out));
  return out;
}

// Returns the end of the printable form of `text`, of at least `size` bytes: no byte of a text has
// a shorter form. A character has at most three bytes behind its first, so one that begins before
// the last `size` bytes begins soon before them; more such bytes in a row are not UTF-8 and stand
// for themselves.
std::string escape_back(std::string_view text, std::size_t size) {
  std::size_t begin = text.size() - std::min(size, text.size());
  constexpr std::size_t kMaxContinuations = 3;
  for (std::size_t back = 0; back <= std::min(begin, kMaxContinuations); ++back) {
    if (begin - back == text.size() || base::is_utf8_continuation(text[begin - back])) continue;
    begin -= back;
    break;
  }
  return escape_front(text.substr(begin), std::string_view::npos);
}

}  // namespace

// Escapes only what is kept: names of any length are cut for messages.
std::string escape_name(std::string_view name, std::size_t max_size) {
  std::string out = escape_front(name, max_size);
  if (out.size() <= max_size) return out;
  constexpr std::string_view kGap = "...";
  const std::size_t kept = max_size > kGap.size() ? (max_size - kGap.size()) / 2 : 0;
  return fmt::format("{}{}{}", head(out, kept), kGap, tail(escape_back(name, kept), kept));
}

std::string to_string(const Uuid& uuid) {
  std::string out;
  for (const std::uint8_t byte : uuid.bytes) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace wpack
