// Fixed-width little-endian integers in byte buffers of any alignment.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>

namespace wpack::base {

static_assert(std::endian::native == std::endian::little,
              "wpack maps little-endian files and needs a little-endian processor");

template <std::unsigned_integral T>
[[nodiscard]] inline T load_le(const std::byte* from) noexcept {
  T value{};
  std::memcpy(&value, from, sizeof(T));
  return value;
}

template <std::unsigned_integral T>
inline void store_le(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof(T));
}

template <std::unsigned_integral T>
inline void append_le(std::string& out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

}  // namespace wpack::base
