// The blocks of private memory that are in use: an extent is read once and shared by all that need
// it at the same time, and forgotten with the last of them.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "load/access_counters.h"
#include "load/block_reader.h"
#include "wpack/error.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
//
// Protocol: a caller takes the extents that are in memory, claims those that nobody reads, reads
// them and publishes them, and only then waits for those that others had claimed. Nobody waits
// while holding a claim, so that two layers that share extents cannot wait for each other.
class BlockCache {
 public:
  // Both outlive the cache.
  BlockCache(BlockReader& reader, AccessCounters& counters)
      : reader_(reader), counters_(counters) {}

  // Returns a block for each of `extents` (ascending, RAW). Errors: those of BlockReader::read.
  [[nodiscard]] Result<std::vector<BlockRef>> get(std::span<const std::uint32_t> extents,
                                                  const ReadControl& control,
                                                  MemoryBudget::Reading* reading);

 private:
  struct Entry {
    std::weak_ptr<const Block> block;
    bool claimed = false;
  };
  // What one look at the entries gives; positions in the caller's list.
  struct Claim {
    std::vector<std::uint32_t> extents;
    std::vector<std::size_t> positions;
    bool busy = false;  // somebody else reads at least one
  };

  [[nodiscard]] Claim claim(std::span<const std::uint32_t> extents, std::vector<BlockRef>& blocks);
  [[nodiscard]] Status wait(std::unique_lock<std::mutex>& lock, const ReadControl& control);
  void publish(const Claim& claim, std::span<const BlockRef> read);

  BlockReader& reader_;
  AccessCounters& counters_;
  std::mutex mutex_;
  std::condition_variable published_;
  std::unordered_map<std::uint32_t, Entry> entries_;  // by extent
};

}  // namespace wpack::load
