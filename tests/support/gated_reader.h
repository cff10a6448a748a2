// An AsyncReader that reports nothing before the test lets it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <utility>

#include "wpack/async_reader.h"

namespace wpack::testing {

// A door that readers wait at before they report anything.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }
  void wait_until_someone_waits() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  [[nodiscard]] bool is_open() {
    const std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false;
  bool open_ = false;
};

class GatedReader final : public AsyncReader {
 public:
  GatedReader(std::unique_ptr<AsyncReader> reader, std::shared_ptr<Gate> gate)
      : reader_(std::move(reader)), gate_(std::move(gate)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "gated"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return reader_->limits(); }
  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    return reader_->submit(requests);
  }
  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    gate_->pass();
    return reader_->poll(completions, min_count);
  }
  void cancel() noexcept override { reader_->cancel(); }

 private:
  std::unique_ptr<AsyncReader> reader_;
  std::shared_ptr<Gate> gate_;
};

}  // namespace wpack::testing
