// What was to be used and could not be, and was done without.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wpack/access_stats.h"
#include "wpack/explain.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class Fallbacks {
 public:
  // Reasons beyond this many are counted together.
  static constexpr std::size_t kMaxReasons = 32;

  void count(std::string_view what, std::string reason) {
    const std::lock_guard lock(mutex_);
    if (add_to(what, reason)) return;
    if (counted_.size() >= kMaxReasons) {
      what = "other";
      reason = "other reasons";
      if (add_to(what, reason)) return;
    }
    counted_.push_back({std::string(what), std::move(reason), 1});
  }

  // Counts what a choice that is used had to do without.
  void count_missing(const ReadChoice& choice) {
    for (const Refusal& refusal : choice.refused) {
      if (refusal.missing) count(refusal.what, refusal.reason);
    }
  }

  [[nodiscard]] std::vector<Fallback> counted() const {
    const std::lock_guard lock(mutex_);
    return counted_;
  }

 private:
  // True if this one has been counted before.
  bool add_to(std::string_view what, std::string_view reason) {
    const auto found = std::ranges::find_if(counted_, [&](const Fallback& fallback) {
      return fallback.what == what && fallback.reason == reason;
    });
    if (found == counted_.end()) return false;
    ++found->count;
    return true;
  }

  mutable std::mutex mutex_;
  std::vector<Fallback> counted_;
};

}  // namespace wpack::load
