// The shards of an open container: opened, checked against the index, and mapped, each once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "load/index_reader.h"
#include "os/file.h"
#include "os/mapped_region.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack::load {

// A shard that is the one the index names. Immutable.
struct CheckedShard {
  os::File file;
  os::MappedRegion region;
  bool mapped = false;  // else its bytes are read

  // The bytes of `range` (in the file) of a mapped shard; empty if they lie outside, which only a
  // change of a mapped index can cause.
  [[nodiscard]] Bytes view(std::uint64_t offset, std::uint64_t size) const noexcept;
};

// Thread safety: all functions, from several threads at once.
class ShardSet {
 public:
  // `index` outlives the set.
  ShardSet(const OpenedIndex& index, AccessMode access);

  // Opens up to 16 shards, without checking them, so that replacing the container does not take
  // them away. Errors: kIo, kBadInput.
  [[nodiscard]] Status open_first();

  // Returns shard `number`; the first use opens, checks and maps it. A failure is not remembered.
  // Errors: kIo, kBadInput, kIntegrity, kUnsupportedHost (it must be mapped, and cannot).
  [[nodiscard]] Result<const CheckedShard*> use(std::uint32_t number);

  [[nodiscard]] std::uint64_t mapped_bytes() const;
  // Why a shard is read though it might have been mapped; empty if that never happened.
  [[nodiscard]] std::string mapping_refused() const;

 private:
  struct Slot {
    os::File opened;  // until it is checked
    std::unique_ptr<const CheckedShard> owner;
    std::atomic<const CheckedShard*> checked{nullptr};
  };

  [[nodiscard]] Result<os::File> open(std::uint32_t number) const;
  [[nodiscard]] Result<std::unique_ptr<CheckedShard>> check(std::uint32_t number, os::File& file);
  [[nodiscard]] Status map(CheckedShard& shard, std::uint64_t size);

  const OpenedIndex& index_;
  const AccessMode access_;
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::uint64_t mapped_bytes_ = 0;
  std::string mapping_refused_;
};

// Reads the envelope of `file` and checks it on its own. Errors: kIo, kBadInput, kIntegrity.
[[nodiscard]] Result<format::Envelope> read_envelope(const os::File& file);

}  // namespace wpack::load
