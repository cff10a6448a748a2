// The shards of an open container: opened, checked against the index, and mapped, each once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "load/fallbacks.h"
#include "load/index_reader.h"
#include "load/read_chooser.h"
#include "load/read_planner.h"
#include "os/direct_io.h"
#include "os/file.h"
#include "os/mapped_region.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack::load {

// A shard that is the one the index names. Immutable.
struct CheckedShard {
  std::uint32_t number = 0;
  os::MappedRegion region;
  bool mapped = false;  // else its bytes are read
  ShardReading reading;

  // The bytes of `range` (in the file) of a mapped shard; empty if they lie outside, which only a
  // change of a mapped index can cause.
  [[nodiscard]] Bytes view(std::uint64_t offset, std::uint64_t size) const noexcept;
};

using OpenShard = std::shared_ptr<const os::File>;
// A shard as a way of reading wants it: `file` names it, `direct` is null where it is read
// through the page cache.
struct ReadableShard {
  OpenShard file;
  std::shared_ptr<const os::DirectFile> direct;
  [[nodiscard]] int fd() const noexcept {
    return direct == nullptr ? file->fd() : direct->fd.get();
  }
};

// Thread safety: all functions, from several threads at once.
class ShardSet {
 public:
  // All outlive the set. `fallbacks`: of the shards that are used.
  ShardSet(const OpenedIndex& index, const ReadChooser& chooser, Fallbacks& fallbacks);

  // Opens up to 16 shards, without checking them, so that replacing the container does not take
  // them away. Errors: kIo, kBadInput.
  [[nodiscard]] Status open_first();
  // True if these were all that there are.
  [[nodiscard]] bool all_opened() const noexcept;

  // Returns shard `number`; the first use opens, checks and maps it. A failure is not remembered.
  // Errors: kIo, kBadInput, kIntegrity, kUnsupportedHost (it must be mapped, and cannot).
  [[nodiscard]] Result<const CheckedShard*> use(std::uint32_t number);

  // Returns what reads of the shards that hold `extents` keep to, by number of the shard, and of
  // all shards before the last of them. Errors: those of use().
  [[nodiscard]] Result<std::vector<ShardReads>> reads_of(std::span<const std::uint32_t> extents);
  // The same for reads into blocks. These take whole pages, as memory is handed out by the page, so
  // that addresses keep the alignment that extents have in the file.
  [[nodiscard]] Result<std::vector<ShardReads>> block_reads_of(
      std::span<const std::uint32_t> extents);

  // Returns the file of a shard that is in use, open for as long as the pointer is kept. The set
  // keeps a few open besides (mapped shards need none); another one is opened and checked again.
  // Errors: kIo, kBadInput, kIntegrity.
  [[nodiscard]] Result<OpenShard> file(const CheckedShard& shard);

  // The same, for reads by `method`. Errors: those of file(), kUnsupportedHost (direct reads were
  // possible when they were chosen), kLimit (no descriptor left).
  [[nodiscard]] Result<ReadableShard> readable(const CheckedShard& shard, ReadMethod method);

  // Chooses how `range` of a shard that is in use is best copied to memory of somebody else,
  // whether the shard is mapped or not. Errors: those of file().
  [[nodiscard]] Result<ReadChoice> choose_copy(const CheckedShard& shard, ByteRange range);

  // Says how shard `number` is read, or would be if it is not in use; opens it for that, and does
  // not check it. Errors: kIo, kBadInput.
  [[nodiscard]] Result<ShardExplanation> explain(std::uint32_t number);

  [[nodiscard]] std::uint64_t mapped_bytes() const;
  // Why a shard is read though it might have been mapped; empty if that never happened.
  [[nodiscard]] std::string mapping_refused() const;

 private:
  struct Slot {
    OpenShard file;                                // may be null
    std::shared_ptr<const os::DirectFile> direct;  // of `file`; may be null
    std::uint64_t used_at = 0;                     // of `file`, on clock_
    bool file_is_right = false;                    // `file` is the shard that the index names
    std::unique_ptr<const CheckedShard> owner;
    std::atomic<const CheckedShard*> checked{nullptr};
  };
  [[nodiscard]] std::uint64_t opened_first() const noexcept;
  [[nodiscard]] ReadChoice choose_copy_of(FileFacts facts, const os::File& file,
                                          ByteRange range) const;

  // All with mutex_ held.
  [[nodiscard]] Status open(std::uint32_t number);
  [[nodiscard]] Status check(std::uint32_t number);
  [[nodiscard]] Status map(CheckedShard& shard);
  void close_least_recently_used();

  const OpenedIndex& index_;
  const ReadChooser& chooser_;
  Fallbacks& fallbacks_;
  const std::uint64_t open_limit_;  // files kept open for later uses
  mutable std::mutex mutex_;
  std::uint64_t clock_ = 0;  // uses of files
  std::uint64_t open_count_ = 0;
  std::vector<Slot> slots_;
  std::uint64_t mapped_bytes_ = 0;
  std::string mapping_refused_;
};

}  // namespace wpack::load
