// What this process has used so far, and the machine with it.
#pragma once

#include <sys/time.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace wpack::cli {

struct ProcessUsage {
  std::uint64_t peak_rss_bytes = 0;  // most resident memory so far, the page cache's pages included
  std::uint64_t anonymous_rss_bytes = 0;  // resident now, private
  std::uint64_t file_rss_bytes = 0;       // resident now, pages of mapped files
  double user_seconds = 0;                // CPU
  double system_seconds = 0;              // CPU
  // CPU of the whole machine since it booted, the kernel's own threads and everybody's processes
  // included; in steps of 0.01 s.
  double machine_seconds = 0;

  [[nodiscard]] double cpu_seconds() const { return user_seconds + system_seconds; }
};

// Returns the usage; what the system does not tell is 0.
[[nodiscard]] ProcessUsage process_usage();

// Returns by how much private memory has grown; 0 if it has shrunk.
[[nodiscard]] std::uint64_t private_growth(const ProcessUsage& before, const ProcessUsage& after);

[[nodiscard]] double seconds_of(const timeval& time);

// Reads fields of a file of lines such as "VmHWM:	    1234 kB" into the numbers that are named
// with them, in bytes; numbers of fields that are not there stay as they are.
using KibibyteField = std::pair<std::string_view, std::uint64_t*>;
void read_kibibyte_fields(const char* path, std::initializer_list<KibibyteField> fields);

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
