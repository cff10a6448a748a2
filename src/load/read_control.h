// How a reading is told to stop, and how urgent it is.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>

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
  [[nodiscard]] static Error late() {
    return {ErrorCode::kDeadline, "the deadline passed before all bytes were read"};
  }
};

}  // namespace wpack::load
