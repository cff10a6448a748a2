// The bytes of shards for a scan, front to back: copied into a small buffer, or as they are mapped,
// after several threads have read them in.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "load/access_counters.h"
#include "load/index_reader.h"
#include "load/shard_set.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// How a scan comes to the bytes.
struct ScanReading {
  // This many threads read mapped shards in. 0: they are copied; so they are where mapping or
  // reading in is refused, since a page that cannot be read would end the process.
  std::uint32_t map_threads = 0;
  // Says of an open shard whether it may be mapped; null: all may.
  std::function<bool(const os::File&)> may_map = nullptr;
};

// Thread safety: one thread at a time.
class ScanBytes {
 public:
  // `index` outlives it.
  ScanBytes(const OpenedIndex& index, ScanReading reading);

  // Goes on to the shard `number`, whose size was checked.
  void open(os::File file, std::uint32_t number, std::uint64_t size);
  [[nodiscard]] const os::File& file() const noexcept { return file_; }

  // Returns up to `max_size` bytes at `offset`, at least one, until the next call. Errors: kIo.
  [[nodiscard]] Result<Bytes> next(std::uint64_t offset, std::uint64_t max_size);
  // Returns up to `max_size` bytes of no meaning, at least one.
  [[nodiscard]] Bytes filler(std::uint64_t max_size) const noexcept;

 private:
  // Makes [offset, ...) the window, out of the mapping; false if that cannot be.
  [[nodiscard]] bool read_in_from(std::uint64_t offset);

  const OpenedIndex& index_;
  const ScanReading reading_;
  AccessCounters counters_;  // for nobody: nothing here is a container's access
  os::File file_;
  std::uint64_t file_size_ = 0;
  CheckedShard mapped_;  // its region is empty where the shard is copied
  std::vector<std::byte> buffer_;
  ByteRange window_;  // of the file: in buffer_, or read in
};

}  // namespace wpack::load
