// How a reading is told to stop, and how urgent it is.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>

#include "load/progress_meter.h"
#include "wpack/error.h"

namespace wpack::load {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Borrowed flags may be set from any thread while the reading runs.
struct ReadControl {
  const std::atomic<bool>* stop = nullptr;  // true: end early, with kCancelled
  // Somebody waits for what is read ahead. Null: somebody waits from the start.
  const std::atomic<bool>* wanted = nullptr;
  Deadline deadline = std::nullopt;
  std::stop_token cancelled = {};
  ProgressMeter* progress = nullptr;  // of a demand whose caller wants to know

  [[nodiscard]] bool is_demand() const noexcept {
    return wanted == nullptr || wanted->load(std::memory_order_relaxed);
  }
  // True if the calling thread is that of who wants the bytes.
  [[nodiscard]] bool caller_waits() const noexcept { return wanted == nullptr; }
  [[nodiscard]] bool is_late() const noexcept {
    return deadline && std::chrono::steady_clock::now() >= *deadline;
  }
  // Errors: kCancelled, kDeadline.
  [[nodiscard]] Status check() const {
    if (cancelled.stop_requested() || (stop != nullptr && stop->load(std::memory_order_relaxed)))
      return Error(ErrorCode::kCancelled, "reading was cancelled");
    if (is_late()) return late();
    return {};
  }
  // check(), and tells the caller how far the call has come: on its thread alone, without locks,
  // as the callback is his. Errors: the same.
  [[nodiscard]] Status tell() const {
    WPACK_TRY(check());
    return progress == nullptr ? Status() : progress->tell();
  }
  // So many bytes more will be read for the call, and were.
  void expect_read(std::uint64_t bytes) const noexcept {
    if (progress != nullptr) progress->expect(bytes);
  }
  void add_read(std::uint64_t bytes) const noexcept {
    if (progress != nullptr) progress->add(bytes);
  }
  // Until when the thread of the call may sleep before check() or tell() is due.
  [[nodiscard]] Deadline sleep_limit() const {
    if (progress == nullptr) return deadline;
    const auto turn = std::chrono::steady_clock::now() + ProgressMeter::kInterval;
    return deadline ? std::min(*deadline, turn) : turn;
  }
  [[nodiscard]] static Error late() {
    return {ErrorCode::kDeadline, "the deadline passed before all bytes were read"};
  }
};

}  // namespace wpack::load
