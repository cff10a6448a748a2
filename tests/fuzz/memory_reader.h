// An engine without threads: a request is complete when it was accepted.
#pragma once

#include <deque>

#include "os/file.h"
#include "wpack/async_reader.h"

namespace wpack::fuzz {

class MemoryReader final : public AsyncReader {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "memory"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return {.max_in_flight = 4}; }

  [[nodiscard]] Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    const std::size_t accepted =
        std::min<std::size_t>(requests.size(), limits().max_in_flight - done_.size());
    for (const ReadRequest& request : requests.first(accepted)) {
      ReadCompletion& completion = done_.emplace_back();
      completion.user_data = request.user_data;
      if (Status status = os::read_exact(request.fd, request.offset, request.out); !status)
        completion.error = std::move(status).error();
    }
    return accepted;
  }

  [[nodiscard]] std::size_t poll(std::span<ReadCompletion> completions,
                                 std::size_t min_count) override {
    (void)min_count;
    const std::size_t count = std::min(completions.size(), done_.size());
    for (std::size_t i = 0; i < count; ++i) {
      completions[i] = std::move(done_.back());
      done_.pop_back();
    }
    return count;
  }

  void cancel() noexcept override {}

 private:
  std::deque<ReadCompletion> done_;
};

}  // namespace wpack::fuzz
