// Checksums of one extent whose bytes come in pieces: every chunk, the tensor that owns it, the
// views into it, and the key under which equal content is found.
#pragma once

#include <cstdint>
#include <vector>

#include "format/checksum.h"
#include "wpack/types.h"

namespace wpack::packing {

// A tensor whose bytes are a part of the extent's.
struct ExtentView {
  std::uint64_t tensor = 0;  // in the order of use
  ByteRange range;           // of the extent's raw bytes
};

struct ExtentHashes {
  struct ViewHash {
    std::uint64_t tensor = 0;
    std::uint64_t hash = 0;
  };
  std::vector<std::uint64_t> chunks;  // XXH3-64 of each chunk
  std::uint64_t logical = 0;          // XXH3-64 of all bytes
  std::vector<ViewHash> views;
  // XXH3-128 of the chunk hashes and the logical hash. Equal keys make equal content likely, a
  // comparison of bytes makes it certain; so a third pass over the bytes would buy nothing.
  format::Hash128 key;
};

// Used for one extent after the other: start, update for each piece in order, finish. Views of the
// same range are hashed once, and a range takes memory only while its bytes go by.
class ExtentHasher {
 public:
  explicit ExtentHasher(std::uint8_t chunk_log2);

  // Every view has bytes, and lies in the extent.
  void start(std::vector<ExtentView> views);
  void update(Bytes piece);
  [[nodiscard]] ExtentHashes finish();

 private:
  // A range that has begun: views_[first, last).
  struct Active {
    std::size_t first;
    std::size_t last;
    std::size_t hasher;  // in hashers_
  };
  void update_chunks(Bytes piece);
  void update_views(Bytes piece);
  void begin_range();
  void feed(const Active& active, Bytes piece);
  void end_range(const Active& active);

  std::uint64_t chunk_size_;
  format::StreamHash chunk_hash_;
  format::StreamHash logical_hash_;
  std::uint64_t position_ = 0;  // bytes of the extent seen so far
  std::uint64_t chunk_fill_ = 0;
  ExtentHashes hashes_;
  std::vector<ExtentView> views_;  // ascending by range
  std::size_t next_view_ = 0;      // has not begun
  std::vector<Active> active_;
  std::vector<format::StreamHash> hashers_;
  std::vector<std::size_t> idle_;  // of hashers_
};

}  // namespace wpack::packing
