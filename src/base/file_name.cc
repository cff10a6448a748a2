#include "base/file_name.h"

#include <algorithm>
#include <cstddef>

#include "base/utf8.h"

namespace wpack::base {
namespace {

constexpr std::size_t kMaxSize = 255;  // of one name on Linux's file systems

bool has_name_shape(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxSize && name.front() != '.';
}

bool is_allowed_in_attachment(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

}  // namespace

bool is_plain_file_name(std::string_view name) noexcept {
  if (!has_name_shape(name) || !is_utf8(name)) return false;
  while (!name.empty()) {
    const auto [code_point, size] = *decode_utf8(name);
    const bool control = code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
    if (control || code_point == U'/' || code_point == U'\\') return false;
    name.remove_prefix(size);
  }
  return true;
}

bool is_attachment_name(std::string_view name) noexcept {
  return has_name_shape(name) && std::ranges::all_of(name, is_allowed_in_attachment);
}

}  // namespace wpack::base
