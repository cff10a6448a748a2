#include "wpack/text.h"

#include <fmt/format.h>

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

// Appends the printable form of the character at the front of `rest` and returns its length there.
std::size_t append_escaped(std::string_view rest, std::string& out) {
  const auto decoded = base::decode_utf8(rest);
  if (!decoded) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(rest.front()));
    return 1;
  }
  if (decoded->code_point == U'\\') {
    out += "\\\\";
  } else if (!is_unsafe(decoded->code_point)) {
    out += rest.substr(0, decoded->size);
  } else if (decoded->code_point < 0x80) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned>(decoded->code_point));
  } else {
    out += fmt::format("\\u{{{:04x}}}", static_cast<unsigned>(decoded->code_point));
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

}  // namespace

std::string escape_name(std::string_view name, std::size_t max_size) {
  std::string out;
  out.reserve(name.size());
  while (!name.empty()) name.remove_prefix(append_escaped(name, out));
  if (out.size() <= max_size) return out;
  constexpr std::string_view kGap = "...";
  const std::size_t kept = max_size > kGap.size() ? (max_size - kGap.size()) / 2 : 0;
  return fmt::format("{}{}{}", head(out, kept), kGap, tail(out, kept));
}

std::string to_string(const Uuid& uuid) {
  std::string out;
  for (const std::uint8_t byte : uuid.bytes) out += fmt::format("{:02x}", byte);
  return out;
}

}  // namespace wpack
