#include "base/utf8.h"

#include <simdjson.h>

namespace wpack::base {
namespace {

struct Lead {
  std::size_t size = 0;
  char32_t bits = 0;
  char32_t minimum = 0;
};

Lead read_lead(unsigned char byte) {
  if (byte < 0x80) return {1, byte, 0};
  if ((byte & 0xE0U) == 0xC0U) return {2, byte & 0x1FU, 0x80};
  if ((byte & 0xF0U) == 0xE0U) return {3, byte & 0x0FU, 0x800};
  if ((byte & 0xF8U) == 0xF0U) return {4, byte & 0x07U, 0x10000};
  return {};
}

}  // namespace

std::optional<DecodedCharacter> decode_utf8(std::string_view text) noexcept {
  const Lead lead = read_lead(static_cast<unsigned char>(text.front()));
  if (lead.size == 0 || lead.size > text.size()) return std::nullopt;
  char32_t code_point = lead.bits;
  for (std::size_t i = 1; i < lead.size; ++i) {
    if (!is_utf8_continuation(text[i])) return std::nullopt;
    code_point = (code_point << 6U) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < lead.minimum || code_point > 0x10FFFF || surrogate) return std::nullopt;
  return DecodedCharacter{code_point, lead.size};
}

bool is_utf8(std::string_view text) noexcept {
  return simdjson::validate_utf8(text.data(), text.size());
}

std::string to_utf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto decoded = decode_utf8(text);
    out += decoded ? text.substr(0, decoded->size) : kReplacement;
    text.remove_prefix(decoded ? decoded->size : 1);
  }
  return out;
}

}  // namespace wpack::base
