// Bringing mapped bytes into memory, by several threads where the choice says so.
#pragma once

#include <vector>

#include "load/access_counters.h"
#include "load/read_control.h"
#include "load/shard_set.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// At most kReadInPieceSize bytes of a mapped shard.
struct MappedPiece {
  const CheckedShard* shard = nullptr;
  ByteRange range;
};

// Faults `pieces` in, front to back, on the calling thread and as many others as the deepest choice
// of their shards asks for, and waits for all. Threads that do not start are done without.
// Errors: kIo (of the first piece that could not be read), kCancelled, kDeadline, kLimit
// (memory).
// The kernel is not asked for pages ahead (MADV_WILLNEED, readahead()): it brings those in as
// single 4 KiB pages, at half the rate of its own readahead, and mapping them costs twenty times as
// much ever after.
[[nodiscard]] Status read_in(const OpenedIndex& index, const std::vector<MappedPiece>& pieces,
                             const ReadControl& control, AccessCounters& counters);

}  // namespace wpack::load
