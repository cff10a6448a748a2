#include "process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

namespace wpack::cli {
namespace {

// Sums the times of the first line of /proc/stat, but for those in which a processor had nothing to
// do or was away: "cpu  user nice system idle iowait irq softirq steal ...".
double machine_seconds() {
  std::ifstream statistics("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, deferred = 0;
  if (!(statistics >> label >> user >> nice >> system >> idle >> waiting >> interrupts >>
        deferred)) {
    return 0;
  }
  return (user + nice + system + interrupts + deferred) /
         static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

std::uint64_t private_growth(const ProcessUsage& before, const ProcessUsage& after) {
  return std::max(after.anonymous_rss_bytes, before.anonymous_rss_bytes) -
         before.anonymous_rss_bytes;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void read_kibibyte_fields(const char* path, std::initializer_list<KibibyteField> fields) {
  std::ifstream file(path);
  for (std::string text; std::getline(file, text);) {
    for (const auto& [name, bytes] : fields) {
      std::string_view line = text;
      if (!line.starts_with(name)) continue;
      line.remove_prefix(name.size());
      line.remove_prefix(std::min(line.find_first_of("0123456789"), line.size()));
      std::uint64_t kibibytes = 0;
      (void)std::from_chars(line.data(), line.data() + line.size(), kibibytes);
      *bytes = kibibytes * 1024;
    }
  }
}

ProcessUsage process_usage() {
  ProcessUsage usage;
  read_kibibyte_fields("/proc/self/status", {{"VmHWM:", &usage.peak_rss_bytes},
                                             {"RssAnon:", &usage.anonymous_rss_bytes},
                                             {"RssFile:", &usage.file_rss_bytes}});
  rusage resources{};
  if (::getrusage(RUSAGE_SELF, &resources) == 0) {
    usage.user_seconds = seconds_of(resources.ru_utime);
    usage.system_seconds = seconds_of(resources.ru_stime);
  }
  usage.machine_seconds = machine_seconds();
  return usage;
}

}  // namespace wpack::cli
