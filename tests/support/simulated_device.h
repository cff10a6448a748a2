// A device that behaves as badly as its contract (wpack/device.h) allows: copies are made by a
// thread of its own, late and in an order that a seed decides, and read their source at that moment
// alone, so that memory that is reused too early shows as wrong bytes. It fails on request. Its
// memory is that of the host device, which it decorates.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "wpack/device.h"

namespace wpack::testing {

struct SimulatedDeviceOptions {
  std::uint64_t budget = ~std::uint64_t{0};
  std::uint32_t seed = 1;
  // The n-th copy (from 0) is not accepted, or is accepted and ends with an error.
  std::optional<std::uint64_t> refuse_copy_at = std::nullopt;
  std::optional<std::uint64_t> fail_copy_at = std::nullopt;
  bool refuse_pins = false;
};

class SimulatedDevice final : public Device {
 public:
  explicit SimulatedDevice(const SimulatedDeviceOptions& options)
      : options_(options),
        memory_(make_host_device({.budget = options.budget})),
        random_(options.seed),
        thread_([this] { run(); }) {}
  ~SimulatedDevice() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
      held_ = false;
    }
    changed_.notify_all();
    thread_.join();
  }

  // Copies that are accepted from now on wait for resume().
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void resume() {
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
    }
    changed_.notify_all();
  }
  // Waits until so many copies have ended, whoever is told.
  void wait_for_ended(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_count_ >= count; });
  }
  [[nodiscard]] std::uint64_t accepted() const {
    const std::lock_guard lock(mutex_);
    return last_ticket_;
  }
  [[nodiscard]] std::size_t under_way() const {
    const std::lock_guard lock(mutex_);
    return waiting_.size() + running_;
  }
  // True if a copy ended before one that was accepted earlier.
  [[nodiscard]] bool has_reordered() const {
    const std::lock_guard lock(mutex_);
    return reordered_;
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "simulated"; }

  Result<CopyTicket> copy(Bytes from, DeviceRange to) override {
    const std::lock_guard lock(mutex_);
    if (to.size != from.size() || (to.size > 0 && !has(to))) {
      return Error(ErrorCode::kInvalidArgument,
                   "copy of " + std::to_string(from.size()) + " bytes is not into its memory");
    }
    if (copy_calls_++ == options_.refuse_copy_at)
      return Error(ErrorCode::kIo, EIO, failed(from.size(), "was refused"));
    waiting_.push_back({++last_ticket_, from, to});
    untold_.insert(last_ticket_);
    changed_.notify_all();
    return static_cast<CopyTicket>(last_ticket_);
  }

  std::optional<Status> wait_until(CopyTicket ticket, TimePoint limit) override {
    const auto number = static_cast<std::uint64_t>(ticket);
    std::unique_lock lock(mutex_);
    if (!untold_.contains(number))
      return Error(ErrorCode::kInvalidArgument, "copy " + std::to_string(number) + " is unknown");
    const auto has_ended = [&] { return ended_.contains(number); };
    if (limit != TimePoint::min() && !changed_.wait_until(lock, limit, has_ended))
      return std::nullopt;
    if (!has_ended()) return std::nullopt;
    untold_.erase(number);
    Status end = std::move(ended_.extract(number).mapped());
    return end;
  }

  Status synchronise() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.empty() && running_ == 0; });
    return {};
  }

  Status copy_back(DeviceRange from, MutableBytes out) override {
    return memory_->copy_back(from, out);
  }

  [[nodiscard]] DeviceStats stats() const override {
    DeviceStats stats = memory_->stats();
    const std::lock_guard lock(mutex_);
    stats.copies_failed = failed_count_;
    stats.pins_refused += pins_refused_;
    return stats;
  }

 protected:
  Result<DeviceRange> do_allocate(std::uint64_t size) override {
    WPACK_ASSIGN(DeviceBuffer buffer, memory_->allocate(size));
    const DeviceRange range = buffer.range();
    const std::lock_guard lock(mutex_);
    buffers_.emplace(range.address, std::move(buffer));
    return range;
  }

  void do_release(DeviceRange range) noexcept override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_.empty() && running_ == 0; });
    buffers_.erase(range.address);
  }

  Status do_pin(MutableBytes bytes) override {
    if (!options_.refuse_pins) {
      WPACK_ASSIGN(PinnedMemory pin, memory_->pin(bytes));
      const std::lock_guard lock(mutex_);
      pins_.emplace(bytes.data(), std::move(pin));
      return {};
    }
    const std::lock_guard lock(mutex_);
    ++pins_refused_;
    return Error(ErrorCode::kLimit, "pinning was refused");
  }

  void do_unpin(MutableBytes bytes) noexcept override {
    const std::lock_guard lock(mutex_);
    pins_.erase(bytes.data());
  }

 private:
  struct Copy {
    std::uint64_t number = 0;
    Bytes from;
    DeviceRange to;
  };

  static std::string failed(std::uint64_t size, const std::string& why) {
    return "copy of " + std::to_string(size) + " bytes to device simulated failed: it " + why;
  }

  // All with mutex_ held.
  [[nodiscard]] bool has(DeviceRange range) const {
    const auto after = buffers_.upper_bound(range.address);
    if (after == buffers_.begin()) return false;
    const DeviceRange all = std::prev(after)->second.range();
    const std::uint64_t offset = range.address - all.address;
    return offset <= all.size && range.size <= all.size - offset;
  }
  // Lets others go first a few times, so that more copies are there to choose from.
  void dawdle(std::unique_lock<std::mutex>& lock) {
    lock.unlock();
    for (auto i = random_() % 3; i > 0; --i) std::this_thread::yield();
    lock.lock();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closing_ || (!held_ && !waiting_.empty()); });
      if (waiting_.empty()) return;
      dawdle(lock);
      if (held_) continue;
      const auto chosen =
          waiting_.begin() + static_cast<std::ptrdiff_t>(random_() % waiting_.size());
      const Copy copy = *chosen;
      reordered_ = reordered_ || chosen != waiting_.begin();
      waiting_.erase(chosen);
      running_ = 1;
      lock.unlock();
      Status end = perform(copy);
      lock.lock();
      running_ = 0;
      failed_count_ += end ? 0 : 1;
      ended_.emplace(copy.number, std::move(end));
      ++ended_count_;
      changed_.notify_all();
    }
  }

  [[nodiscard]] Status perform(const Copy& copy) {
    if (copy.number - 1 == options_.fail_copy_at)
      return Error(ErrorCode::kIo, EIO, failed(copy.from.size(), "ended with an error"));
    WPACK_ASSIGN(const CopyTicket ticket, memory_->copy(copy.from, copy.to));
    return memory_->wait(ticket);
  }

  const SimulatedDeviceOptions options_;
  const std::shared_ptr<Device> memory_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, DeviceBuffer> buffers_;  // by address
  std::map<const std::byte*, PinnedMemory> pins_;
  std::vector<Copy> waiting_;
  std::map<std::uint64_t, Status> ended_;  // of tickets whose end nobody was told
  std::set<std::uint64_t> untold_;         // these, and those of copies under way
  std::uint64_t last_ticket_ = 0;
  std::uint64_t copy_calls_ = 0;
  std::uint64_t ended_count_ = 0;
  std::uint64_t failed_count_ = 0;
  std::uint64_t pins_refused_ = 0;
  std::size_t running_ = 0;
  bool reordered_ = false;
  bool held_ = false;
  bool closing_ = false;
  std::mt19937 random_;  // of the thread
  std::thread thread_;   // last: it uses all the others
};

}  // namespace wpack::testing
