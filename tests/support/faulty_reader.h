// An AsyncReader that goes wrong on request: it decorates a real one and fails, cuts short, delays
// and reorders completions, and accepts a part of a batch or refuses it. Every accepted request
// still completes exactly once, and a read that was cut short is reported as an error, so that it
// keeps the contract of wpack/async_reader.h; except for wrong_byte_at, which is what a bad disk
// does.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "wpack/async_reader.h"

namespace wpack::testing {

struct Faults {
  // The n-th accepted request (from 0) fails with EIO, or ends after half of its bytes.
  std::optional<std::uint64_t> io_error_at = std::nullopt;
  std::optional<std::uint64_t> short_read_at = std::nullopt;
  // The n-th accepted request succeeds with one bit of its middle byte flipped.
  std::optional<std::uint64_t> wrong_byte_at = std::nullopt;
  // The n-th submission (from 0) accepts half of its requests, rounded down but not to nothing; or
  // fails, and accepts none.
  std::optional<std::uint64_t> half_submit_at = std::nullopt;
  std::optional<std::uint64_t> failed_submit_at = std::nullopt;
  // Completions are held back until this many are there or nothing else is in flight, and come
  // in random order.
  std::size_t hold_back = 0;
  // Every poll() that need not wait returns nothing this many times in a row.
  std::uint32_t idle_polls = 0;
  std::uint32_t seed = 1;
};

class FaultyReader final : public AsyncReader {
 public:
  FaultyReader(std::unique_ptr<AsyncReader> reader, const Faults& faults)
      : reader_(std::move(reader)), faults_(faults), random_(faults.seed) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "faulty"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return reader_->limits(); }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    const std::uint64_t number = submissions_++;
    if (number == faults_.failed_submit_at)
      return Error(ErrorCode::kLimit, EAGAIN, "submission of reads failed");
    if (number == faults_.half_submit_at && requests.size() > 1)
      requests = requests.first(requests.size() / 2);
    WPACK_ASSIGN(const std::size_t accepted, reader_->submit(requests));
    for (const ReadRequest& request : requests.first(accepted))
      open_.emplace_back(request, count_++);
    return accepted;
  }

  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    if (min_count == 0 && idle_ < faults_.idle_polls) {
      ++idle_;
      return 0;
    }
    idle_ = 0;
    const std::size_t in_flight = open_.size() + held_.size();
    const std::size_t wanted = std::min({min_count, completions.size(), in_flight});
    while (held_.size() < std::max(wanted, std::min(faults_.hold_back, in_flight))) {
      if (collect(1) == 0) return 0;  // in a fork
    }
    (void)collect(0);
    std::shuffle(held_.begin(), held_.end(), random_);
    const std::size_t count = std::min(held_.size(), completions.size());
    for (std::size_t i = 0; i < count; ++i) {
      completions[i] = std::move(held_.back());
      held_.pop_back();
    }
    return count;
  }

  void cancel() noexcept override { reader_->cancel(); }

 private:
  std::size_t collect(std::size_t min_count) {
    std::vector<ReadCompletion> completions(8);
    const std::size_t got = reader_->poll(completions, min_count);
    for (std::size_t i = 0; i < got; ++i) held_.push_back(damaged(std::move(completions[i])));
    return got;
  }

  ReadCompletion damaged(ReadCompletion completion) {
    const auto found = std::ranges::find_if(
        open_, [&](const auto& entry) { return entry.first.user_data == completion.user_data; });
    const auto [request, number] = *found;
    open_.erase(found);
    if (completion.error) return completion;
    if (number == faults_.io_error_at) {
      completion.error =
          Error(ErrorCode::kIo, EIO,
                "read of " + std::to_string(request.out.size()) + " bytes at offset " +
                    std::to_string(request.offset) + " failed: Input/output error");
    } else if (number == faults_.wrong_byte_at && !request.out.empty()) {
      request.out[request.out.size() / 2] ^= std::byte{1};
    } else if (number == faults_.short_read_at) {
      const std::size_t half = request.out.size() / 2;
      std::ranges::fill(request.out.subspan(half), std::byte{0xEE});
      completion.error =
          Error(ErrorCode::kIo,
                "file ends at offset " + std::to_string(request.offset + half) + ", too soon");
    }
    return completion;
  }

  std::unique_ptr<AsyncReader> reader_;
  const Faults faults_;
  std::mt19937 random_;
  std::uint64_t count_ = 0;
  std::uint64_t submissions_ = 0;
  std::uint32_t idle_ = 0;
  std::vector<std::pair<ReadRequest, std::uint64_t>> open_;  // accepted, and their numbers
  std::vector<ReadCompletion> held_;
};

}  // namespace wpack::testing
