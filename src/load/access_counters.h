// What AccessStats reports, counted from any thread, and what a tracer is told.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "load/fallbacks.h"
#include "wpack/trace.h"

namespace wpack::load {

// What loading spends its time on.
enum class Phase : std::uint8_t { kDisk, kVerify, kMemory, kReadahead, kConsumer };
inline constexpr std::size_t kPhaseCount = 5;

// Nanoseconds by phase.
using PhaseTimes = std::array<std::atomic<std::uint64_t>, kPhaseCount>;

struct AccessCounters {
  std::atomic<std::uint64_t> direct_bytes{0};
  std::atomic<std::uint64_t> buffered_bytes{0};
  std::atomic<std::uint64_t> brought_in_bytes{0};
  std::atomic<std::uint64_t> verified_bytes{0};
  std::atomic<std::uint64_t> prefetched_bytes{0};
  std::atomic<std::uint64_t> layer_hits{0};
  std::atomic<std::uint64_t> layer_misses{0};
  std::atomic<std::uint64_t> reads_in_flight{0};
  std::atomic<std::uint64_t> next_read_id{0};
  std::atomic<std::uint64_t> demands_reading{0};  // calls with reads, whose caller waits
  PhaseTimes stalls{};                            // while a caller waited
  PhaseTimes background{};                        // while nobody did
  Fallbacks fallbacks;
  std::shared_ptr<Tracer> tracer = nullptr;
};

// Tells the tracer, if there is one, what the thread did from its construction to its end.
class TraceSpan {
 public:
  // `name` is fixed text, `detail` outlives the span.
  TraceSpan(const AccessCounters& counters, std::string_view name, std::string_view detail,
            std::uint64_t bytes) noexcept
      : tracer_(counters.tracer.get()), name_(name), detail_(detail), bytes_(bytes) {
    if (tracer_ != nullptr) begin_ = std::chrono::steady_clock::now();
  }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;
  ~TraceSpan() {
    if (tracer_ == nullptr) return;
    tracer_->record({.kind = TraceEvent::Kind::kSpan,
                     .name = name_,
                     .detail = detail_,
                     .begin = begin_,
                     .end = std::chrono::steady_clock::now(),
                     .value = bytes_});
  }

 private:
  Tracer* const tracer_;
  const std::string_view name_;
  const std::string_view detail_;
  const std::uint64_t bytes_;
  TraceEvent::Time begin_;
};

// Counts the time of one phase from its construction to its end.
class PhaseTimer {
 public:
  // `caller_waits`: the thread is that of who wants the bytes. `name` is fixed text.
  PhaseTimer(AccessCounters& counters, Phase phase, bool caller_waits, std::string_view name,
             std::uint64_t bytes = 0) noexcept
      : total_((caller_waits ? counters.stalls
                             : counters.background)[static_cast<std::size_t>(phase)]),
        span_(counters, name, {}, bytes) {}
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  ~PhaseTimer() {
    const auto spent = std::chrono::steady_clock::now() - begin_;
    const auto count = std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count();
    total_.fetch_add(static_cast<std::uint64_t>(count), std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t>& total_;
  const TraceSpan span_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Tells the tracer, if there is one, what `name` (fixed text) counts from now on.
inline void trace_counter(const AccessCounters& counters, std::string_view name,
                          std::uint64_t value) noexcept {
  if (counters.tracer == nullptr) return;
  counters.tracer->record({.kind = TraceEvent::Kind::kCounter,
                           .name = name,
                           .begin = std::chrono::steady_clock::now(),
                           .value = value});
}

}  // namespace wpack::load
