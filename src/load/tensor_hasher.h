// The checksums of the tensors that lie in one extent, while its bytes go by once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/checksum.h"
#include "format/index.h"
#include "wpack/types.h"

namespace wpack::load {

// Tensors of one extent that cover the same bytes (tied weights): hashed once.
struct TensorRange {
  ByteRange raw;            // in the extent's raw bytes
  std::uint32_t first = 0;  // [first, first + count) of the tensors by place
  std::uint32_t count = 0;
};

// Groups `tensors`, which are sorted by place (place_of), into ranges.
[[nodiscard]] std::vector<TensorRange> group_by_range(const format::Index& index,
                                                      std::span<const std::uint32_t> tensors);

// Returns the tensors that have bytes, sorted by extent, place in it, and size.
[[nodiscard]] std::vector<std::uint32_t> tensors_by_place(const format::Index& index);

// Use: for every chunk, begin_chunk(), update() with its bytes from front to back, end_chunk().
// Ranges overlap at will (views of one storage), but only kMaxActive are hashed at a time, so that
// memory stays bounded; deferred() are for another pass over the extent.
//
// Thread safety: one thread at a time.
class TensorHasher {
 public:
  static constexpr std::size_t kMaxActive = 64;

  // A finished range and what its bytes hash to.
  struct Result {
    TensorRange range;
    std::uint64_t hash = 0;
  };

  // Starts an extent. `ranges` are sorted by begin.
  void reset(std::span<const TensorRange> ranges);

  void begin_chunk(ByteRange raw);
  void update(Bytes bytes);
  // Ends the chunk whose hash is `chunk_hash`, and returns the ranges that ended in it. Those that
  // a damaged chunk touches are left out: the damage has been reported, and their hash means
  // nothing.
  [[nodiscard]] std::span<const Result> end_chunk(std::uint64_t chunk_hash, bool damaged);

  [[nodiscard]] std::span<const TensorRange> deferred() const noexcept { return deferred_; }

 private:
  struct Active {
    TensorRange range;
    std::size_t hasher;  // in hashers_
    bool damaged;
  };
  void start(const TensorRange& range);
  void feed(Active& active, Bytes bytes, std::uint64_t begin);

  std::span<const TensorRange> ranges_;
  std::size_t next_ = 0;  // ranges_[next_] has not begun
  ByteRange chunk_;       // raw bytes of the chunk
  std::uint64_t at_ = 0;  // raw offset of the next byte
  std::vector<Active> active_;
  std::vector<TensorRange> deferred_;
  std::vector<Result> finished_;
  std::vector<TensorRange> whole_;  // ranges that are exactly this chunk: they share its hash
  std::vector<format::StreamHash> hashers_;
  std::vector<std::size_t> idle_;  // of hashers_
};

}  // namespace wpack::load
