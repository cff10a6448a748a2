#include "load/reads_in_flight.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace wpack::load {

Result<std::size_t> ReadsInFlight::submit(std::span<const FileRead> reads) {
  const std::size_t count = std::min(reads.size(), most_to_submit());
  if (count == 0) return std::size_t{0};
  std::array<ReadRequest, kMaxBatch> batch;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = free_flight();
    flights_[place].read = reads[i];
    batch[i] = {reads[i].file.fd(), reads[i].offset, reads[i].out, place};
  }
  auto accepted = submit_to_reader(std::span(batch).first(count));
  const std::size_t taken = accepted.value_or(0);
  std::uint64_t trace_id = counters_.next_read_id.fetch_add(taken, std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    Flight& flight = flights_[batch[i].user_data];
    if (i < taken) {
      flight.trace_id = trace_id++;
      trace(TraceEvent::Kind::kReadBegin, flight);
    } else {
      flight.read = {};
      free_.push_back(batch[i].user_data);
    }
  }
  in_flight_ += taken;
  change_in_flight(taken);
  return accepted;
}

Result<std::span<const std::uint64_t>> ReadsInFlight::wait() {
  const std::size_t count = poll();
  std::size_t arrived = 0;
  Status first;
  for (ReadCompletion& completion : std::span(completions_).first(count)) {
    Flight& flight = flights_[completion.user_data];
    if (!completion.error) {
      arrived_[arrived++] = flight.read.number;
    } else if (first) {
      first = std::move(*completion.error).in(flight.read.file.file->label());
    }
    flight.read = {};
    free_.push_back(completion.user_data);
  }
  if (!first) return std::move(first).error();
  return std::span<const std::uint64_t>(arrived_).first(arrived);
}

// What they brought, or why they failed, is nobody's any more; with memory at its end, wait() could
// not even say it.
void ReadsInFlight::stop() noexcept {
  if (in_flight_ == 0) return;
  reader_.cancel();
  while (in_flight_ > 0) (void)poll();
}

std::size_t ReadsInFlight::most_to_submit() const noexcept {
  const bool gives_way =
      !control_.is_demand() && counters_.demands_reading.load(std::memory_order_relaxed) > 0;
  if (!gives_way) return kMaxBatch;
  return in_flight_ == 0 ? 1 : 0;
}

std::size_t ReadsInFlight::free_flight() {
  if (free_.empty()) {
    flights_.emplace_back();
    free_.reserve(flights_.size());
    return flights_.size() - 1;
  }
  const std::size_t place = free_.back();
  free_.pop_back();
  return place;
}

// Also where the kernel finds room for bytes that it reads directly, in memory that nobody has
// touched.
Result<std::size_t> ReadsInFlight::submit_to_reader(std::span<const ReadRequest> requests) {
  const PhaseTimer timer(counters_, Phase::kDisk, control_.caller_waits(), "submit reads");
  return reader_.submit(requests);
}

std::size_t ReadsInFlight::poll() {
  if (in_flight_ == 0) return 0;
  const PhaseTimer timer(counters_, Phase::kDisk, control_.caller_waits(), "wait for reads");
  const std::size_t count = reader_.poll(completions_, 1);
  in_flight_ -= count;
  change_in_flight(~std::uint64_t{count} + 1);
  for (const ReadCompletion& completion : std::span(completions_).first(count)) {
    const Flight& flight = flights_[completion.user_data];
    trace(TraceEvent::Kind::kReadEnd, flight);
    if (completion.error) continue;
    auto& bytes =
        flight.read.file.direct != nullptr ? counters_.direct_bytes : counters_.buffered_bytes;
    bytes.fetch_add(flight.read.out.size(), std::memory_order_relaxed);
  }
  return count;
}

void ReadsInFlight::change_in_flight(std::uint64_t change) {
  const std::uint64_t before =
      counters_.reads_in_flight.fetch_add(change, std::memory_order_relaxed);
  trace_counter(counters_, "reads in flight", before + change);
}

void ReadsInFlight::trace(TraceEvent::Kind kind, const Flight& flight) const {
  Tracer* const tracer = counters_.tracer.get();
  if (tracer == nullptr) return;
  tracer->record({.kind = kind,
                  .name = "read",
                  .detail = flight.read.file.file->label(),
                  .begin = std::chrono::steady_clock::now(),
                  .id = flight.trace_id,
                  .value = flight.read.out.size()});
}

}  // namespace wpack::load
