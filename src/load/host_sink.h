// Pieces that go to memory of the caller: read into it where a piece is just what is wanted there,
// through one buffer otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "load/access_counters.h"
#include "load/memory_budget.h"
#include "load/piece_reader.h"
#include "load/read_control.h"
#include "load/transfer_plan.h"
#include "wpack/buffer_pool.h"
#include "wpack/error.h"

namespace wpack::load {

class HostSink final : public PieceSink {
 public:
  // All outlive the sink, but the control. `out` is where the plan's only source goes;
  // `memory_alignment` is what the engine asks of memory that it reads into.
  HostSink(std::span<const TransferPiece> pieces, MutableBytes out, std::uint64_t memory_alignment,
           MemoryBudget& memory, AccessCounters& counters, const ReadControl& control);
  ~HostSink() override;

  Result<std::optional<MutableBytes>> provide(std::size_t piece, bool may_wait) override;
  Status take(std::size_t piece) override;

 private:
  // Where all of the piece belongs, if it may be read there.
  [[nodiscard]] std::optional<MutableBytes> place_of(const TransferPiece& piece) const;
  [[nodiscard]] Status obtain_buffer();

  const std::span<const TransferPiece> pieces_;
  const MutableBytes out_;
  const std::uint64_t memory_alignment_;
  MemoryBudget& memory_;
  AccessCounters& counters_;
  const ReadControl control_;
  HostBuffer buffer_;                  // as large as the largest piece that needs it
  std::optional<std::size_t> in_use_;  // the piece that has it
};

}  // namespace wpack::load
