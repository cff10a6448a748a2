// A running count of the memory that the metadata of one file takes, so that no input can make it
// pass a bound.
#pragma once

#include <cstdint>
#include <string>

#include "wpack/error.h"

namespace wpack::import {

// Containers are charged as they grow; whoever drives them asks exceeded() after every step that
// is small against the budget. Thread safety: one thread at a time.
class MemoryMeter {
 public:
  static constexpr std::uint64_t kDefaultBudget = std::uint64_t{192} << 20;

  explicit MemoryMeter(std::uint64_t budget = kDefaultBudget) noexcept : budget_(budget) {}

  void add(std::uint64_t bytes) noexcept { used_ += bytes; }
  void subtract(std::uint64_t bytes) noexcept { used_ -= bytes; }

  // A meter for what this one's budget leaves.
  [[nodiscard]] MemoryMeter rest() const noexcept {
    return MemoryMeter(exceeded() ? 0 : budget_ - used_);
  }

  [[nodiscard]] std::uint64_t used() const noexcept { return used_; }
  [[nodiscard]] bool exceeded() const noexcept { return used_ > budget_; }
  // kLimit if the budget is passed.
  [[nodiscard]] Status check() const {
    if (!exceeded()) return {};
    return Error(ErrorCode::kLimit, "its metadata takes more than " +
                                        std::to_string(budget_ >> 20) + " MiB of memory");
  }

 private:
  std::uint64_t budget_;
  std::uint64_t used_ = 0;
};

}  // namespace wpack::import
