#include "io/pread_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/guarded_reader.h"
#include "io/read_limits.h"
#include "os/read_progress.h"
#include "os/thread.h"

namespace wpack {
namespace io {
namespace {

constexpr std::uint32_t kMaxThreads = 64;
constexpr std::uint32_t kRequestsPerThread = 4;  // the next request waits beside a busy thread

// A request is queued_, then being read by a thread, then in completed_ until it is polled;
// in_flight_ counts all three, which bounds both containers by limits().max_in_flight.
class PreadReader final : public AsyncReader {
 public:
  PreadReader(const ReadLimits& limits, Pread pread) : limits_(limits), pread_(std::move(pread)) {
    completed_.reserve(limits.max_in_flight);  // so that cancel() allocates nothing
  }

  ~PreadReader() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queued_.clear();
    }
    work_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  [[nodiscard]] Status start(std::uint32_t threads) {
    threads_.reserve(threads);  // a thread that found no room here could not be joined
    for (std::uint32_t i = 0; i < threads; ++i) {
      WPACK_ASSIGN(std::thread thread, os::start_thread([this] { run(); }));
      threads_.push_back(std::move(thread));
    }
    return {};
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "pread"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return limits_; }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    std::size_t accepted = 0;
    {
      const std::lock_guard lock(mutex_);
      accepted = std::min<std::size_t>(requests.size(), limits_.max_in_flight - in_flight_);
      const auto batch = requests.first(accepted);
      queued_.insert(queued_.end(), batch.begin(), batch.end());
      in_flight_ += accepted;
    }
    for (std::size_t i = 0; i < accepted; ++i) work_.notify_one();
    return accepted;
  }

  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    std::unique_lock lock(mutex_);
    const std::size_t wanted = std::min({min_count, completions.size(), in_flight_});
    done_.wait(lock, [&] { return completed_.size() >= wanted; });
    const std::size_t count = std::min(completions.size(), completed_.size());
    const auto end = completed_.begin() + static_cast<std::ptrdiff_t>(count);
    std::move(completed_.begin(), end, completions.begin());
    completed_.erase(completed_.begin(), end);
    in_flight_ -= count;
    return count;
  }

  void cancel() noexcept override {
    {
      const std::lock_guard lock(mutex_);
      for (const ReadRequest& request : queued_) {
        completed_.push_back({request.user_data, Error(ErrorCode::kCancelled, "read cancelled")});
      }
      queued_.clear();
    }
    done_.notify_all();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_.wait(lock, [&] { return stopping_ || !queued_.empty(); });
      if (stopping_) return;
      const ReadRequest request = queued_.front();
      queued_.pop_front();
      lock.unlock();
      ReadCompletion completion = read(request);
      lock.lock();
      completed_.push_back(std::move(completion));
      done_.notify_one();
    }
  }

  // On a thread of the pool, where an exception would end the process: pread_ throws nothing, and
  // an error takes no memory where there is none.
  [[nodiscard]] ReadCompletion read(const ReadRequest& request) const noexcept {
    ReadCompletion completion{request.user_data, std::nullopt};
    Status status =
        os::read_fully(pread_, request.fd, request.offset, request.out, granule(limits_));
    if (!status) completion.error = std::move(status).error();
    return completion;
  }

  const ReadLimits limits_;
  const Pread pread_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  std::deque<ReadRequest> queued_;
  std::vector<ReadCompletion> completed_;
  std::size_t in_flight_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<std::unique_ptr<AsyncReader>> make_pread_reader(std::uint32_t threads,
                                                       const std::optional<DirectAlignment>& direct,
                                                       Pread pread) {
  if (threads == 0 || threads > kMaxThreads) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{} reading threads: 1 to {} are possible", threads, kMaxThreads));
  }
  WPACK_ASSIGN(const ReadLimits limits, make_limits(threads * kRequestsPerThread, direct));
  auto reader = std::make_unique<PreadReader>(limits, std::move(pread));
  WPACK_TRY(reader->start(threads));
  return guard(std::move(reader));
}

}  // namespace io

Result<std::unique_ptr<AsyncReader>> make_pread_reader(std::uint32_t threads,
                                                       std::optional<DirectAlignment> direct) {
  return io::make_pread_reader(threads, direct, ::pread);
}

}  // namespace wpack
