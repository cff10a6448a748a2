// Events of loading, collected and written as Chrome's trace event format, which Perfetto reads
// too: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "wpack/trace.h"

namespace wpack::cli {

// Thread safety: record() from several threads at once, to_json() when no more events come.
class ChromeTrace final : public Tracer {
 public:
  ChromeTrace() : start_(std::chrono::steady_clock::now()) {}

  void record(const TraceEvent& event) noexcept override;

  // Returns the whole trace: a lane for each thread, asynchronous reads with their numbers, and
  // counters. Times are microseconds since the object was made.
  [[nodiscard]] std::string to_json() const;

 private:
  struct Entry {
    TraceEvent event;  // without its detail
    std::string detail;
    int thread = 0;
  };

  const TraceEvent::Time start_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace wpack::cli
