// A running count of how much a source inflates, over all of its files.
#pragma once

#include <cstdint>

#include "base/checked_math.h"

namespace wpack::import {

// Inflating takes time that the size of a file does not show: deflate makes a thousand bytes of
// one, and alternating between members that do not fit into the budget of memory together inflates
// them again and again. Beyond so many budgets, and so many times what is stored, it is an attack:
// weights hardly shrink.
//
// Thread safety: one thread at a time.
class InflateWork {
 public:
  // `budget` is the memory that one file may take for what it inflates.
  explicit InflateWork(std::uint64_t budget) noexcept
      : limit_(base::checked_mul(budget, kMaxBudgets).value_or(kUnlimited)) {}

  // Counts a file whose deflated members are stored as `size` bytes.
  void add_stored(std::uint64_t size) noexcept {
    const std::uint64_t more = base::checked_mul(size, kMaxRatio).value_or(kUnlimited);
    limit_ = base::checked_add(limit_, more).value_or(kUnlimited);
  }
  // Counts a member of `size` bytes that has to be inflated once. False if those of all files are
  // more than may be inflated.
  [[nodiscard]] bool expect(std::uint64_t size) noexcept { return count(size, expected_); }
  // Counts `size` bytes that are about to be inflated. False if that is too much.
  [[nodiscard]] bool spend(std::uint64_t size) noexcept { return count(size, spent_); }

  [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }

 private:
  static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
  static constexpr std::uint64_t kMaxBudgets = 128;
  static constexpr std::uint64_t kMaxRatio = 16;

  [[nodiscard]] bool count(std::uint64_t size, std::uint64_t& total) const noexcept {
    const auto sum = base::checked_add(total, size);
    if (!sum || *sum > limit_) return false;
    total = *sum;
    return true;
  }

  std::uint64_t limit_;
  std::uint64_t expected_ = 0;
  std::uint64_t spent_ = 0;
};

}  // namespace wpack::import
