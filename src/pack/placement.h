// Where the next extent of a shard goes: alignment by size class, page-aligned layers. Pure.
#pragma once

#include <cstdint>

#include "base/align.h"
#include "format/limits.h"

namespace wpack::packing {

inline constexpr std::uint64_t kSmallExtent = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kLargeExtent = std::uint64_t{1} << 20;

// Returns the alignment class of an extent by its stored size in bytes: 256 B below 64 KiB, 4 KiB
// below 1 MiB, else 64 KiB (SPEC section 6).
[[nodiscard]] constexpr std::uint8_t alignment_log2_of(std::uint64_t stored_size) noexcept {
  if (stored_size < kSmallExtent) return 8;
  return stored_size < kLargeExtent ? 12 : 16;
}

// The write position of a shard file.
struct ShardCursor {
  std::uint64_t position = format::kEnvelopeSize;

  // Starts a layer: on a page of its own.
  void start_layer() noexcept { position = base::align_up(position, base::kPageSize); }

  // Takes the place of an extent and returns its offset.
  [[nodiscard]] std::uint64_t place(std::uint64_t stored_size) noexcept {
    const std::uint64_t offset =
        base::align_up(position, std::uint64_t{1} << alignment_log2_of(stored_size));
    position = offset + stored_size;
    return offset;
  }
};

}  // namespace wpack::packing
