// The reads of one call that are under way: submitted, waited for, counted and traced, alike for
// blocks, slices and transfers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "load/access_counters.h"
#include "load/read_control.h"
#include "load/shard_set.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"

namespace wpack::load {

struct FileRead {
  ReadableShard file;  // stays open until the read has ended
  std::uint64_t offset = 0;
  MutableBytes out;          // borrowed until then
  std::uint64_t number = 0;  // what it is to whoever submits it
};

// Demands go before readahead: while a call reads whose caller waits, one that reads ahead has a
// single read under way. It is not stopped altogether, as somebody may wait for memory or extents
// that it holds.
//
// Thread safety: one thread.
class ReadsInFlight {
 public:
  // Whatever a call submits together, at most.
  static constexpr std::size_t kMaxBatch = 16;

  // All outlive it.
  ReadsInFlight(AsyncReader& reader, AccessCounters& counters, const ReadControl& control)
      : reader_(reader), counters_(counters), control_(control) {
    if (control.caller_waits()) counters.demands_reading.fetch_add(1, std::memory_order_relaxed);
  }
  ReadsInFlight(const ReadsInFlight&) = delete;
  ReadsInFlight& operator=(const ReadsInFlight&) = delete;
  // Whatever ended the call, nothing writes into its memory any more when this is gone.
  ~ReadsInFlight() {
    stop();
    if (control_.caller_waits()) counters_.demands_reading.fetch_sub(1, std::memory_order_relaxed);
  }

  // Accepts up to kMaxBatch of `reads` from the front and returns how many; fewer than that means
  // that the engine is full, or that a demand goes first: wait() first. Errors: those of
  // AsyncReader::submit.
  [[nodiscard]] Result<std::size_t> submit(std::span<const FileRead> reads);

  // Waits for one read and takes what else is there. Returns the numbers of those that brought all
  // their bytes, until the next call; none if no read is under way. Errors: the first that failed,
  // by the name of its file; the others that ended are then nobody's, so that the call has to end.
  [[nodiscard]] Result<std::span<const std::uint64_t>> wait();

  [[nodiscard]] bool empty() const noexcept { return in_flight_ == 0; }

  // Cancels what has not started, and waits for all.
  void stop() noexcept;

 private:
  struct Flight {
    FileRead read;
    std::uint64_t trace_id = 0;
  };
  [[nodiscard]] std::size_t most_to_submit() const noexcept;
  [[nodiscard]] std::size_t free_flight();
  [[nodiscard]] Result<std::size_t> submit_to_reader(std::span<const ReadRequest> requests);
  // Waits for one read; fills completions_ and returns how many ended, counted and traced.
  [[nodiscard]] std::size_t poll();
  void change_in_flight(std::uint64_t change);
  void trace(TraceEvent::Kind kind, const Flight& flight) const;

  AsyncReader& reader_;
  AccessCounters& counters_;
  const ReadControl& control_;
  std::vector<Flight> flights_;    // by ReadRequest::user_data
  std::vector<std::size_t> free_;  // of flights_
  std::size_t in_flight_ = 0;      // accepted, not polled
  std::array<ReadCompletion, kMaxBatch> completions_;
  std::array<std::uint64_t, kMaxBatch> arrived_{};
};

}  // namespace wpack::load
