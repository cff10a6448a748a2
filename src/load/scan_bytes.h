// The bytes of shards for a scan, front to back: copied into a small buffer, or as they are mapped,
// while several threads read them in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "load/access_counters.h"
#include "load/index_reader.h"
#include "load/read_in_ahead.h"
#include "os/file.h"
#include "os/mapped_region.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// How a scan comes to the bytes.
struct ScanReading {
  // This many threads read mapped shards in, ahead of the scan. 0: they are copied; so they are
  // where mapping or reading in is refused, since a page that cannot be read would end the process.
  std::uint32_t map_threads = 0;
  // Says of an open shard whether it may be mapped; null: all may.
  std::function<bool(const os::File&)> may_map = nullptr;
};

// Thread safety: one thread at a time.
class ScanBytes {
 public:
  // `index` outlives it.
  ScanBytes(const OpenedIndex& index, ScanReading reading);

  // Goes on to the next shard, whose size was checked.
  void open(os::File file, std::uint64_t size);
  [[nodiscard]] const os::File& file() const noexcept { return file_; }

  // Returns up to `max_size` bytes at `offset`, at least one, until the next call. Errors: kIo.
  [[nodiscard]] Result<Bytes> next(std::uint64_t offset, std::uint64_t max_size);
  // Returns up to `max_size` bytes of no meaning, at least one.
  [[nodiscard]] Bytes filler(std::uint64_t max_size) const noexcept;

 private:
  // Returns bytes of the mapping from `offset` on; none if it cannot be had.
  [[nodiscard]] Bytes next_mapped(std::uint64_t offset, std::uint64_t max_size);

  const OpenedIndex& index_;
  const ScanReading reading_;
  AccessCounters counters_;  // for nobody: nothing here is a container's access
  os::File file_;
  std::uint64_t file_size_ = 0;
  os::MappedRegion region_;             // empty where the shard is copied
  std::optional<ReadInAhead> read_in_;  // of it
  std::vector<std::byte> buffer_;
  ByteRange window_;  // of the file, in buffer_
};

}  // namespace wpack::load
