// Hand-made safetensors files.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace wpack::testing {

// The eight bytes of the length field.
inline std::string length_field(std::uint64_t length) {
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes;
}

// A file of this header and of `payload_size` bytes 'p' behind it.
inline std::string safetensors_file(std::string_view header, std::size_t payload_size) {
  return length_field(header.size()) + std::string(header) + std::string(payload_size, 'p');
}

}  // namespace wpack::testing
