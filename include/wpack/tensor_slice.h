// Parts of tensors: what a slice is, and what reading it costs.
#pragma once

#include <cstdint>
#include <vector>

#include "wpack/types.h"

namespace wpack {

// Elements [begin, end) along one dimension.
struct ElementRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const noexcept { return end - begin; }
  friend bool operator==(const ElementRange&, const ElementRange&) = default;
};

// Part of a tensor: all of it, or ranges along one dimension, put together in their order.
struct TensorPart {
  static constexpr std::uint32_t kWhole = 0xFFFFFFFF;

  std::uint32_t dim = kWhole;  // 0 is the outermost; kWhole: all of the tensor
  // Ascending, apart or touching, inside the dimension. May be empty ranges, or none. Unused where
  // `dim` is kWhole.
  std::vector<ElementRange> ranges = {};

  [[nodiscard]] bool whole() const noexcept { return dim == kWhole; }
  friend bool operator==(const TensorPart&, const TensorPart&) = default;
};

// One slice that is wanted.
struct SliceRequest {
  std::uint32_t tensor = 0;  // TensorInfo::id
  TensorPart part = {};
};

// What it takes to read some slices.
struct ReadCost {
  std::uint64_t needed_bytes = 0;  // of the slices; equal ones are counted once
  std::uint64_t read_bytes = 0;    // asked of the shards: aligned, gaps and whole chunks included
  std::uint64_t read_count = 0;    // separate ranges of the shards

  // read_bytes by needed_bytes; 1 where nothing is needed.
  [[nodiscard]] double over_read() const noexcept {
    if (needed_bytes == 0) return 1.0;
    return static_cast<double>(read_bytes) / static_cast<double>(needed_bytes);
  }
  ReadCost& operator+=(const ReadCost& other) noexcept {
    needed_bytes += other.needed_bytes;
    read_bytes += other.read_bytes;
    read_count += other.read_count;
    return *this;
  }
  friend bool operator==(const ReadCost&, const ReadCost&) = default;
};

// One range of a shard that is asked for, as one read or as the pages of a mapping.
struct ShardRead {
  std::uint32_t shard = 0;
  ByteRange range;  // in the shard file, aligned, but for its end at the end of the file
  friend bool operator==(const ShardRead&, const ShardRead&) = default;
};

// Which ranges of the shards some slices need.
struct ReadPlan {
  std::vector<ShardRead> reads = {};  // in file order
  ReadCost cost = {};
};

}  // namespace wpack
