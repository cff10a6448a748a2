// A tracer that keeps what it is told.
#pragma once

#include <algorithm>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/trace.h"

namespace wpack::testing {

class TraceRecorder final : public Tracer {
 public:
  struct Entry {
    TraceEvent event;
    std::string detail;
  };

  void record(const TraceEvent& event) noexcept override {
    const std::lock_guard lock(mutex_);
    entries_.push_back({event, std::string(event.detail)});
  }
  [[nodiscard]] std::vector<Entry> of(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    std::vector<Entry> found;
    std::ranges::copy_if(entries_, std::back_inserter(found),
                         [&](const Entry& entry) { return entry.event.name == name; });
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace wpack::testing
