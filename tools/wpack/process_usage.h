// What this process has used so far.
#pragma once

#include <chrono>
#include <cstdint>

namespace wpack::cli {

struct ProcessUsage {
  std::uint64_t peak_rss_bytes = 0;  // most resident memory so far, the page cache's pages included
  std::uint64_t anonymous_rss_bytes = 0;  // resident now, private
  std::uint64_t file_rss_bytes = 0;       // resident now, pages of mapped files
  double user_seconds = 0;                // CPU
  double system_seconds = 0;              // CPU
};

// Returns the usage; what the system does not tell is 0.
[[nodiscard]] ProcessUsage process_usage();

// Wall time since it was made.
class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace wpack::cli
