// Loading bytes of extents into memory that the caller chose.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "load/chunk_checker.h"
#include "load/engines.h"
#include "load/piece_reader.h"
#include "load/read_control.h"
#include "load/reader_leases.h"
#include "load/shard_set.h"
#include "load/transfer_plan.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/progress.h"
#include "wpack/staging_ring.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class TensorTransfer {
 public:
  // All outlive it. `verify`: chunks are checked as they arrive.
  TensorTransfer(const OpenedIndex& index, ShardSet& shards, ChunkChecker& checker,
                 AccessCounters& counters, const Engines& engines, bool verify);

  // Fills `out`, of the source's size. Errors: kIo, kIntegrity, kLimit (memory, threads),
  // kCancelled, kDeadline.
  [[nodiscard]] Status to_host(const TransferSource& source, MutableBytes out,
                               const ReadControl& control, const ProgressCallback& progress);

  // Copies each source to the destination at its place, of its size, and waits for every copy that
  // was started, also after an error. Errors: the same, kInvalidArgument (the ring is in use, or
  // its slots are too small), and those of the device.
  [[nodiscard]] Status to_device(std::span<const TransferSource> sources,
                                 std::span<const DeviceRange> destinations, StagingRing& ring,
                                 const ReadControl& control, const ProgressCallback& progress);

 private:
  // Chooses how the sources are read: as bytes that go on, whatever was chosen to map.
  [[nodiscard]] Result<ReadChoice> choose(std::span<const TransferSource> sources);
  // Counts that the engine of `choice` is done without, and returns what works for all.
  [[nodiscard]] ReadChoice do_without(const ReadChoice& choice, std::string reason);
  // False if reads as `choice` has them could not end in `out`, but for one at a time in a buffer.
  [[nodiscard]] bool suits(const ReadChoice& choice, const TransferSource& source,
                           MutableBytes out) const;
  [[nodiscard]] Status read(std::span<const TransferPiece> pieces, PieceSink& sink,
                            AsyncReader& reader, ReadMethod method, const ReadControl& control,
                            const ProgressCallback& progress);

  const OpenedIndex& index_;
  ShardSet& shards_;
  ChunkChecker& checker_;
  AccessCounters& counters_;
  const Engines& engines_;
  ReaderLeases leases_;
  const bool verify_;
};

}  // namespace wpack::load
