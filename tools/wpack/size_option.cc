#include "size_option.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>

#include "wpack/text.h"

namespace wpack::cli {
namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& byte : lower) {
    if (byte >= 'A' && byte <= 'Z') byte = static_cast<char>(byte - 'A' + 'a');
  }
  return lower;
}

std::optional<std::uint64_t> unit_bytes(std::string_view suffix) {
  const std::string unit = lower_case(suffix);
  if (unit.empty() || unit == "b") return 1;
  const std::size_t power = std::string_view("kmgt").find(unit.front());
  if (power == std::string_view::npos) return std::nullopt;
  const std::string_view rest = std::string_view(unit).substr(1);
  if (!rest.empty() && rest != "ib" && rest != "b") return std::nullopt;
  std::uint64_t bytes = 1;
  for (std::size_t i = 0; i <= power; ++i) bytes *= rest == "b" ? 1000 : 1024;
  return bytes;
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto refuse = [&](std::string_view cause) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", escape_name(text, 64), cause));
  };
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto digits = static_cast<std::size_t>(end - text.data());
  const auto unit = unit_bytes(text.substr(digits));
  if (error == std::errc::invalid_argument || !unit) {
    return refuse("is not a size, such as 4GiB, 64M or 65536");
  }
  std::uint64_t bytes = 0;
  if (error != std::errc{} || __builtin_mul_overflow(number, *unit, &bytes)) {
    return refuse("does not fit into 64 bits");
  }
  return bytes;
}

}  // namespace wpack::cli
