// Contents that share one XXH3-64, as somebody would make them to slow a program down.
#pragma once

#include <cstdint>
#include <string>

#include "support/safetensors_bytes.h"

namespace wpack::testing {

// 256 bytes that have the same XXH3-64 for every `number`. Bytes 0 to 7 and 64 to 71 go into one
// sum as products of their halves, each half mixed with the secret: the low halves make one factor
// 0, and so hide the high ones, whose sum stays the same.
inline std::string colliding_bytes(std::uint32_t number) {
  const auto word = [](std::uint32_t low, std::uint32_t high) {
    return length_field(low | std::uint64_t{high} << 32U);
  };
  std::string bytes(256, '\0');
  bytes.replace(0, 8, word(0x396CFEB8, number));
  bytes.replace(64, 8, word(0x2C81017C, 0x01234567 - number));
  return bytes;
}

}  // namespace wpack::testing
