#include "process_usage.h"

#include <sys/resource.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace wpack::cli {
namespace {

// Reads a line such as "VmHWM:	    1234 kB" of /proc/self/status.
void read_field(std::string_view line, std::string_view name, std::uint64_t& bytes) {
  if (!line.starts_with(name)) return;
  line.remove_prefix(name.size());
  line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
  std::uint64_t kibibytes = 0;
  (void)std::from_chars(line.data(), line.data() + line.size(), kibibytes);
  bytes = kibibytes * 1024;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessUsage process_usage() {
  ProcessUsage usage;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    read_field(line, "VmHWM:", usage.peak_rss_bytes);
    read_field(line, "RssAnon:", usage.anonymous_rss_bytes);
    read_field(line, "RssFile:", usage.file_rss_bytes);
  }
  rusage resources{};
  if (::getrusage(RUSAGE_SELF, &resources) == 0) {
    usage.user_seconds = seconds_of(resources.ru_utime);
    usage.system_seconds = seconds_of(resources.ru_stime);
  }
  return usage;
}

}  // namespace wpack::cli
