// The parts of a file that samples read, one after the other, so that none is read twice soon.
#pragma once

#include <cstdint>

#include "os/file.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::tuning {

// Of one kind of reading each: those of the other do not come between. Not thread-safe.
class Windows {
 public:
  // `file` outlives it; `size` of it is used, a multiple of 4,096 and not 0.
  Windows(const os::File& file, std::uint64_t size) : file_(file), size_(size) {}

  // Returns the next window: at most `most` bytes, from where the last read ended, and from the
  // front of the file again when less than a quarter of that is left.
  [[nodiscard]] ByteRange next(std::uint64_t most) const;
  // The same of bytes that the page cache does not hold: what it held was dropped. Errors:
  // kUnsupportedHost (they stay, or the kernel does not tell).
  [[nodiscard]] Result<ByteRange> next_cold(std::uint64_t most);
  // Says that reading ended at `end`.
  void read_up_to(std::uint64_t end) noexcept { position_ = end; }
  // Drops from the page cache what reading the window left there, readahead included.
  void drop_after(ByteRange window) const noexcept;

 private:
  const os::File& file_;
  const std::uint64_t size_;
  std::uint64_t position_ = 0;
};

}  // namespace wpack::tuning
