// Reading the pieces of a transfer: many at once, each checked when it has arrived and then handed
// over, while later ones are still being read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "load/chunk_checker.h"
#include "load/read_control.h"
#include "load/reads_in_flight.h"
#include "load/shard_set.h"
#include "load/transfer_plan.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"
#include "wpack/progress.h"

namespace wpack::load {

// Where pieces go. Pieces are named by their numbers in the plan.
class PieceSink {
 public:
  PieceSink() = default;
  PieceSink(const PieceSink&) = delete;
  PieceSink& operator=(const PieceSink&) = delete;
  virtual ~PieceSink() = default;

  // Returns memory of the piece's size, or nullopt if there is none now; if `may_wait`, after a
  // moment. The memory stays valid until the piece is taken or the sink goes.
  [[nodiscard]] virtual Result<std::optional<MutableBytes>> provide(std::size_t piece,
                                                                    bool may_wait) = 0;
  // Takes a piece that holds all its bytes, which were checked.
  [[nodiscard]] virtual Status take(std::size_t piece) = 0;
};

class PieceReader {
 public:
  // All outlive the reader. `method`: as `reader` was chosen. `checker` null: nothing is checked.
  PieceReader(AsyncReader& reader, ReadMethod method, ShardSet& shards, ChunkChecker* checker,
              AccessCounters& counters, std::span<const TransferPiece> pieces, PieceSink& sink,
              const ReadControl& control);

  // Reads all pieces, once. Errors: kIo, kIntegrity, kCancelled, kDeadline, and those of the sink.
  // Whatever ended it, nothing writes into memory of the sink any more when the reader is gone.
  [[nodiscard]] Status run(const ProgressCallback& progress);

 private:
  [[nodiscard]] Status check(const ProgressCallback& progress) const;
  [[nodiscard]] Status start_reads();
  [[nodiscard]] Status finish(std::size_t number);

  const ReadMethod method_;
  ShardSet& shards_;
  ChunkChecker* const checker_;
  AccessCounters& counters_;
  const std::span<const TransferPiece> pieces_;
  PieceSink& sink_;
  const ReadControl& control_;
  std::vector<MutableBytes> memory_;  // by piece, from the time at which the sink provides it
  std::size_t next_ = 0;              // pieces that were submitted, from the front
  std::size_t taken_ = 0;
  Progress done_;
  ReadsInFlight reads_;
};

}  // namespace wpack::load
