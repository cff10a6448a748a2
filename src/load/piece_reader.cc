#include "load/piece_reader.h"

#include <array>
#include <utility>

namespace wpack::load {

PieceReader::PieceReader(AsyncReader& reader, ShardSet& shards, ChunkChecker* checker,
                         AccessCounters& counters, std::span<const TransferPiece> pieces,
                         PieceSink& sink)
    : reader_(reader),
      shards_(shards),
      checker_(checker),
      counters_(counters),
      pieces_(pieces),
      sink_(sink),
      readings_(pieces.size()) {
  for (const TransferPiece& piece : pieces_) {
    for (const TransferPart& part : piece.parts) done_.total_bytes += part.size;
  }
}

PieceReader::~PieceReader() {
  if (in_flight_ == 0) return;
  reader_.cancel();
  std::array<ReadCompletion, 16> completions;
  while (in_flight_ > 0) in_flight_ -= reader_.poll(completions, 1);
}

Status PieceReader::run(const ReadControl& control, const ProgressCallback& progress) {
  while (taken_ < pieces_.size()) {
    WPACK_TRY(check(control, progress));
    WPACK_TRY(start_reads());
    WPACK_TRY(poll());
  }
  return check(control, progress);
}

Status PieceReader::check(const ReadControl& control, const ProgressCallback& progress) const {
  WPACK_TRY(control.check());
  if (progress && !progress(done_)) return Error(ErrorCode::kCancelled, "reading was cancelled");
  return {};
}

Status PieceReader::start_reads() {
  for (; next_ < pieces_.size(); ++next_) {
    if (!memory_) {
      WPACK_ASSIGN(memory_, sink_.provide(next_, in_flight_ == 0));
      if (!memory_) return {};
    }
    const TransferPiece& piece = pieces_[next_];
    WPACK_ASSIGN(const CheckedShard* shard, shards_.use(piece.shard));
    WPACK_ASSIGN(OpenShard file, shards_.file(*shard));
    const ReadRequest request{file->fd(), piece.range.begin, *memory_, next_};
    WPACK_ASSIGN(const std::size_t accepted, reader_.submit({&request, 1}));
    if (accepted == 0) return {};
    readings_[next_] = {std::move(file), *std::exchange(memory_, std::nullopt)};
    ++in_flight_;
  }
  return {};
}

// Waits for one completion and takes what else is there; returns the first error of them.
Status PieceReader::poll() {
  if (in_flight_ == 0) return {};
  std::array<ReadCompletion, 16> completions;
  const std::size_t count = reader_.poll(completions, 1);
  in_flight_ -= count;
  for (ReadCompletion& completion : std::span(completions).first(count)) {
    const std::size_t piece = completion.user_data;
    if (completion.error) return std::move(*completion.error).in(readings_[piece].file->label());
    WPACK_TRY(finish(piece));
  }
  return {};
}

Status PieceReader::finish(std::size_t number) {
  const Reading reading = std::exchange(readings_[number], {});
  const TransferPiece& piece = pieces_[number];
  counters_.read_bytes.fetch_add(piece.range.size(), std::memory_order_relaxed);
  if (checker_ != nullptr) {
    for (const PieceChunk& chunk : piece.chunks) {
      WPACK_TRY(checker_->check(chunk.extent, chunk.chunk,
                                reading.memory.subspan(chunk.piece_offset, chunk.size)));
    }
  }
  WPACK_TRY(sink_.take(number));
  for (const TransferPart& part : piece.parts) done_.done_bytes += part.size;
  ++taken_;
  return {};
}

}  // namespace wpack::load
