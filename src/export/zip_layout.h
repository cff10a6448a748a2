// The bytes of a zip archive of stored members around their payload. Pure.
//
// Every member's data is aligned, by padding in an extra field "FB" of its local header, as PyTorch
// does it. Sizes and offsets past 32 bits stand in ZIP64 fields; the ZIP64 end record is always
// written. There are no data descriptors: a local header is complete, so it is written once the
// CRC-32 of its data is known.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace wpack::exporting {

// One member. Place it first: the headers need its position.
struct ZipMember {
  std::string name;
  std::uint64_t size = 0;  // bytes of its data
  std::uint32_t crc32 = 0;
  std::uint64_t header_position = 0;  // in the file
  std::uint64_t data_position = 0;    // the local header ends there
};

// Sets the positions of `members`, one behind the other from the start of the file, their data
// aligned to `alignment` (a power of two, at most 4,096). Returns the position of the central
// directory behind them. The sum of the sizes is far from 2^64.
[[nodiscard]] std::uint64_t place_members(std::span<ZipMember> members, std::uint64_t alignment);

// Returns the bytes [header_position, data_position).
[[nodiscard]] std::string local_header(const ZipMember& member);

// Returns the bytes of the file from the central directory, at `position`, to the end.
[[nodiscard]] std::string central_directory(std::span<const ZipMember> members,
                                            std::uint64_t position);

}  // namespace wpack::exporting
