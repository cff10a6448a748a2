#include "io/queue_reader.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <thread>
#include <utility>

#include "io/guarded_reader.h"
#include "io/read_limits.h"

namespace wpack::io {
namespace {

bool is_transient(int error) noexcept {
  return error == EAGAIN || error == EBUSY || error == EINTR;
}

}  // namespace

QueueReader::QueueReader(std::string_view name, std::unique_ptr<KernelQueue> queue,
                         const ReadLimits& limits)
    : name_(name),
      queue_(std::move(queue)),
      limits_(limits),
      buffered_(granule(limits) == 1),
      slots_(limits.max_in_flight),
      free_(limits.max_in_flight),
      results_(limits.max_in_flight) {
  std::iota(free_.begin(), free_.end(), 0U);
  // Nothing is allocated later: a request that was lost half way would never complete.
  waiting_.reserve(limits.max_in_flight);
  completed_.reserve(limits.max_in_flight);
  reads_.reserve(limits.max_in_flight);
}

QueueReader::~QueueReader() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  while (in_kernel_ > 0) reap(lock, in_kernel_);
}

Result<std::size_t> QueueReader::submit(std::span<const ReadRequest> requests) {
  const std::lock_guard lock(mutex_);
  const std::size_t accepted =
      std::min<std::size_t>(requests.size(), limits_.max_in_flight - in_flight_);
  for (const ReadRequest& request : requests.first(accepted)) add(request);
  hand_over();
  return accepted;
}

std::size_t QueueReader::poll(std::span<ReadCompletion> completions, std::size_t min_count) {
  std::unique_lock lock(mutex_);
  const std::size_t wanted = std::min({min_count, completions.size(), in_flight_});
  hand_over();
  do {
    const std::size_t missing = wanted - std::min(wanted, completed_.size());
    if (in_kernel_ > 0) reap(lock, std::min(missing, in_kernel_));
  } while (completed_.size() < wanted);
  const std::size_t count = std::min(completions.size(), completed_.size());
  const auto end = completed_.begin() + static_cast<std::ptrdiff_t>(count);
  std::move(completed_.begin(), end, completions.begin());
  completed_.erase(completed_.begin(), end);
  in_flight_ -= count;
  return count;
}

void QueueReader::cancel() noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [this](std::uint32_t index) {
    if (slots_[index].state != State::kWaiting) return false;
    completed_.push_back(
        {slots_[index].request.user_data, Error(ErrorCode::kCancelled, "read cancelled")});
    free_.push_back(index);
    return true;
  });
}

void QueueReader::add(const ReadRequest& request) {
  const std::uint32_t index = free_.back();
  free_.pop_back();
  slots_[index] = {request, os::ReadProgress(request.offset, request.out, granule(limits_)),
                   State::kWaiting};
  ++in_flight_;
  if (slots_[index].progress.finished()) return complete(index);
  waiting_.push_back(index);
}

// Afterwards nothing is waiting, or something is in the kernel whose end makes room.
void QueueReader::hand_over() {
  if (stopping_) waiting_.clear();
  for (std::uint32_t refusals = 0; !waiting_.empty();) {
    reads_.clear();
    for (const std::uint32_t index : waiting_) {
      const Slot& slot = slots_[index];
      reads_.push_back({slot.request.fd, slot.progress.offset(), slot.progress.rest(), index,
                        buffered_ || slot.progress.retried()});
    }
    const int taken = queue_->submit(reads_);
    if (taken > 0) {
      mark_taken(static_cast<std::size_t>(taken));
      refusals = 0;
    } else if (is_transient(-taken) && in_kernel_ > 0) {
      return;
    } else if (is_transient(-taken) && ++refusals < kMaxRefusals) {
      std::this_thread::yield();
    } else {
      const std::uint32_t index = waiting_.front();
      waiting_.erase(waiting_.begin());
      slots_[index].progress.fail(-taken);
      complete(index);
    }
  }
}

void QueueReader::mark_taken(std::size_t count) {
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  std::for_each(waiting_.begin(), end,
                [this](std::uint32_t index) { slots_[index].state = State::kInKernel; });
  waiting_.erase(waiting_.begin(), end);
  in_kernel_ += count;
}

void QueueReader::reap(std::unique_lock<std::mutex>& lock, std::size_t min_count) {
  lock.unlock();
  const int count = queue_->wait(results_, static_cast<std::uint32_t>(min_count));
  lock.lock();
  if (count >= 0) {
    for (int i = 0; i < count; ++i) settle(results_[static_cast<std::size_t>(i)]);
  } else if (!is_transient(-count)) {
    fail_all(-count);
  }
  hand_over();
}

void QueueReader::settle(const KernelResult& result) {
  Slot& slot = slots_[result.tag];
  --in_kernel_;
  slot.progress.advance(result.result);
  if (slot.progress.finished()) return complete(result.tag);
  slot.state = State::kWaitingAgain;
  waiting_.push_back(result.tag);
}

// The queue is gone, and with it every way to learn what became of its reads.
void QueueReader::fail_all(int error) {
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].state != State::kInKernel) continue;
    slots_[index].progress.fail(error);
    --in_kernel_;
    complete(index);
  }
}

void QueueReader::complete(std::uint32_t index) {
  Slot& slot = slots_[index];
  completed_.push_back({slot.request.user_data, slot.progress.take_error()});
  slot.state = State::kWaiting;
  free_.push_back(index);
}

}  // namespace wpack::io

namespace wpack {

Result<std::unique_ptr<AsyncReader>> make_libaio_reader(std::uint32_t depth,
                                                        DirectAlignment direct) {
  WPACK_ASSIGN(const ReadLimits limits, io::make_queue_limits(depth, direct));
  WPACK_ASSIGN(auto queue, io::make_libaio_queue(depth));
  return io::guard(std::make_unique<io::QueueReader>("libaio", std::move(queue), limits));
}

Result<std::unique_ptr<AsyncReader>> make_io_uring_reader(std::uint32_t depth,
                                                          std::optional<DirectAlignment> direct) {
  WPACK_ASSIGN(const ReadLimits limits, io::make_queue_limits(depth, direct));
  WPACK_ASSIGN(auto queue, io::make_io_uring_queue(depth));
  return io::guard(std::make_unique<io::QueueReader>("io_uring", std::move(queue), limits));
}

}  // namespace wpack
