// The order in which people expect names with numbers. Pure.
#pragma once

#include <compare>
#include <string_view>

namespace wpack::base {

// Compares runs of digits by value and everything else by bytes: "h.2" before "h.10". Total:
// names that differ never compare equal.
[[nodiscard]] std::strong_ordering natural_compare(std::string_view a, std::string_view b) noexcept;

}  // namespace wpack::base
