#include "load/host_sink.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/align.h"
#include "load/counted_memory.h"

namespace wpack::load {

HostSink::HostSink(std::span<const TransferPiece> pieces, MutableBytes out,
                   std::uint64_t memory_alignment, MemoryBudget& memory, AccessCounters& counters,
                   const ReadControl& control)
    : pieces_(pieces),
      out_(out),
      memory_alignment_(memory_alignment),
      memory_(memory),
      counters_(counters),
      control_(control) {}

HostSink::~HostSink() {
  if (buffer_.bytes().empty()) return;
  buffer_ = HostBuffer();
  memory_.notify();
}

std::optional<MutableBytes> HostSink::place_of(const TransferPiece& piece) const {
  if (piece.parts.size() != 1 || piece.parts.front().size != piece.range.size())
    return std::nullopt;
  const MutableBytes place = out_.subspan(piece.parts.front().source_offset, piece.range.size());
  if (!base::is_aligned(reinterpret_cast<std::uintptr_t>(place.data()), memory_alignment_))
    return std::nullopt;
  return place;
}

Status HostSink::obtain_buffer() {
  std::uint64_t size = 0;
  for (const TransferPiece& piece : pieces_)
    size = std::max(size, place_of(piece) ? 0 : piece.range.size());
  WPACK_ASSIGN(std::vector<HostBuffer> buffers,
               obtain_counted(memory_, {&size, 1}, control_, nullptr, counters_));
  buffer_ = std::move(buffers.front());
  return {};
}

Result<std::optional<MutableBytes>> HostSink::provide(std::size_t piece, bool /*may_wait*/) {
  if (const auto place = place_of(pieces_[piece])) return place;
  if (in_use_) return std::optional<MutableBytes>();  // its read is in flight
  if (buffer_.bytes().empty()) WPACK_TRY(obtain_buffer());
  in_use_ = piece;
  return std::optional(buffer_.bytes().first(pieces_[piece].range.size()));
}

Status HostSink::take(std::size_t piece) {
  if (in_use_ != piece) return {};
  for (const TransferPart& part : pieces_[piece].parts) {
    std::ranges::copy(buffer_.bytes().subspan(part.piece_offset, part.size),
                      out_.subspan(part.source_offset, part.size).begin());
  }
  in_use_.reset();
  return {};
}

}  // namespace wpack::load
