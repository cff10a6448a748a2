#include "bench_balloon.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace wpack::cli {
namespace {

constexpr std::size_t kReportingFeature = 5;  // VIRTIO_BALLOON_F_REPORTING

std::string first_word_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

bool is_reporting_balloon(const std::filesystem::path& device) {
  if (first_word_of(device / "device") != "0x0005") return false;
  // One digit a feature bit, the lowest bit first.
  const std::string features = first_word_of(device / "features");
  return features.size() > kReportingFeature && features[kReportingFeature] == '1';
}

}  // namespace

bool host_takes_pages_back(const std::string& devices) {
  std::error_code failure;
  for (auto entry = std::filesystem::directory_iterator(devices, failure);
       !failure && entry != std::filesystem::directory_iterator(); entry.increment(failure)) {
    if (is_reporting_balloon(entry->path())) return true;
  }
  return false;
}

}  // namespace wpack::cli
