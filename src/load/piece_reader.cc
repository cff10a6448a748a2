#include "load/piece_reader.h"

#include <utility>

namespace wpack::load {

PieceReader::PieceReader(AsyncReader& reader, ReadMethod method, ShardSet& shards,
                         ChunkChecker* checker, AccessCounters& counters,
                         std::span<const TransferPiece> pieces, PieceSink& sink,
                         const ReadControl& control)
    : method_(method),
      shards_(shards),
      checker_(checker),
      counters_(counters),
      pieces_(pieces),
      sink_(sink),
      control_(control),
      memory_(pieces.size()),
      reads_(reader, counters, control) {
  for (const TransferPiece& piece : pieces_) {
    for (const TransferPart& part : piece.parts) done_.total_bytes += part.size;
  }
}

Status PieceReader::run(const ProgressCallback& progress) {
  while (taken_ < pieces_.size()) {
    WPACK_TRY(check(progress));
    WPACK_TRY(start_reads());
    WPACK_ASSIGN(const auto arrived, reads_.wait());
    for (const std::uint64_t number : arrived) WPACK_TRY(finish(number));
  }
  return check(progress);
}

Status PieceReader::check(const ProgressCallback& progress) const {
  WPACK_TRY(control_.check());
  if (progress && !progress(done_)) return Error(ErrorCode::kCancelled, "reading was cancelled");
  return {};
}

// Until all are under way, the engine is full, or the sink has no memory now.
Status PieceReader::start_reads() {
  for (; next_ < pieces_.size(); ++next_) {
    if (memory_[next_].empty()) {
      WPACK_ASSIGN(const auto memory, sink_.provide(next_, reads_.empty()));
      if (!memory) return {};
      memory_[next_] = *memory;
    }
    const TransferPiece& piece = pieces_[next_];
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(piece.shard));
    WPACK_ASSIGN(ReadableShard file, shards_.readable(*shard, method_));
    const FileRead read{std::move(file), piece.range.begin, memory_[next_], next_};
    WPACK_ASSIGN(const std::size_t accepted, reads_.submit({&read, 1}));
    if (accepted == 0) return {};
  }
  return {};
}

Status PieceReader::finish(std::size_t number) {
  const TransferPiece& piece = pieces_[number];
  if (checker_ != nullptr) {
    const PhaseTimer timer(counters_, Phase::kVerify, control_.caller_waits(), "verify",
                           piece.range.size());
    for (const PieceChunk& chunk : piece.chunks) {
      WPACK_TRY(checker_->check(chunk.extent, chunk.chunk,
                                memory_[number].subspan(chunk.piece_offset, chunk.size)));
    }
  }
  WPACK_TRY(sink_.take(number));
  for (const TransferPart& part : piece.parts) done_.done_bytes += part.size;
  ++taken_;
  return {};
}

}  // namespace wpack::load
