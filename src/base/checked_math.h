// Arithmetic on sizes that come out of files: every operation says whether it overflowed.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>

namespace wpack::base {

// What a size that overflowed is taken for, where there is no need to refuse it.
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a,
                                                                 std::uint64_t b) noexcept {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a,
                                                                 std::uint64_t b) noexcept {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// True if [offset, offset + size) lies inside [0, limit).
[[nodiscard]] constexpr bool range_within(std::uint64_t offset, std::uint64_t size,
                                          std::uint64_t limit) noexcept {
  return size <= limit && offset <= limit - size;
}

// Returns `value` as To, or nullopt if To cannot hold it.
template <std::integral To, std::integral From>
[[nodiscard]] constexpr std::optional<To> checked_cast(From value) noexcept {
  To result{};
  if (__builtin_add_overflow(value, From{0}, &result)) return std::nullopt;
  return result;
}

}  // namespace wpack::base
