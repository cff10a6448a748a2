// The AsyncReader over a queue in the kernel: keeps requests until the kernel takes them, goes on
// after short reads, and gives every request back once.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "io/kernel_queue.h"
#include "os/read_progress.h"
#include "wpack/async_reader.h"

namespace wpack::io {

// A request takes a slot. It is waiting_, then in the kernel, perhaps waiting_ again for its rest,
// then in completed_, which frees the slot; in_flight_ counts it until it is polled.
class QueueReader final : public AsyncReader {
 public:
  // How many times in a row a queue with nothing in flight may say "not now" before the requests
  // that wait for it fail.
  static constexpr std::uint32_t kMaxRefusals = 1000;

  // `name` never dangles. `queue` has room for limits.max_in_flight reads.
  QueueReader(std::string_view name, std::unique_ptr<KernelQueue> queue, const ReadLimits& limits);
  ~QueueReader() override;

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return limits_; }
  Result<std::size_t> submit(std::span<const ReadRequest> requests) override;
  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override;
  void cancel() noexcept override;

 private:
  enum class State { kWaiting, kInKernel, kWaitingAgain };
  struct Slot {
    ReadRequest request;
    os::ReadProgress progress{0, {}};
    State state = State::kWaiting;
  };

  void add(const ReadRequest& request);
  void hand_over();
  void mark_taken(std::size_t count);
  void reap(std::unique_lock<std::mutex>& lock, std::size_t min_count);
  void settle(const KernelResult& result);
  void fail_all(int error);
  void complete(std::uint32_t index);

  const std::string_view name_;
  const std::unique_ptr<KernelQueue> queue_;  // submit() and poll() alone use it
  const ReadLimits limits_;
  const bool buffered_;  // submit() itself would copy what is in the page cache, one after another
  std::mutex mutex_;     // for all below; not held while the kernel is waited for
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> waiting_;  // the oldest first
  std::vector<ReadCompletion> completed_;
  std::vector<KernelRead> reads_;
  std::vector<KernelResult> results_;
  std::size_t in_kernel_ = 0;
  std::size_t in_flight_ = 0;
  bool stopping_ = false;
};

}  // namespace wpack::io
