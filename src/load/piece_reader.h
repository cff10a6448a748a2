// Reading the pieces of a transfer: many at once, each checked when it has arrived and then handed
// over, while later ones are still being read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "load/chunk_checker.h"
#include "load/read_control.h"
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
  // All outlive the reader. `checker` null: nothing is checked.
  PieceReader(AsyncReader& reader, ShardSet& shards, ChunkChecker* checker,
              AccessCounters& counters, std::span<const TransferPiece> pieces, PieceSink& sink);
  PieceReader(const PieceReader&) = delete;
  PieceReader& operator=(const PieceReader&) = delete;
  // Whatever ended it, nothing writes into memory of the sink any more when it is gone.
  ~PieceReader();

  // Reads all pieces. Errors: kIo, kIntegrity, kCancelled, kDeadline, and those of the sink.
  [[nodiscard]] Status run(const ReadControl& control, const ProgressCallback& progress);

 private:
  struct Reading {
    OpenShard file;
    MutableBytes memory;
  };
  [[nodiscard]] Status check(const ReadControl& control, const ProgressCallback& progress) const;
  [[nodiscard]] Status start_reads();
  [[nodiscard]] Status poll();
  [[nodiscard]] Status finish(std::size_t number);

  AsyncReader& reader_;
  ShardSet& shards_;
  ChunkChecker* const checker_;
  AccessCounters& counters_;
  const std::span<const TransferPiece> pieces_;
  PieceSink& sink_;
  std::vector<Reading> readings_;       // by piece
  std::optional<MutableBytes> memory_;  // of the next piece, where the engine was full
  std::size_t next_ = 0;                // pieces that were submitted, from the front
  std::size_t in_flight_ = 0;
  std::size_t taken_ = 0;
  Progress done_;
};

}  // namespace wpack::load
