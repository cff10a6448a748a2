#include "profile_cache.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "output.h"
#include "system.h"
#include "text_file.h"
#include "wpack/host.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// As a part of a name of a file: what is not plain becomes %XX. Names of files end at 255 bytes, so
// long parts are cut; two that are the same then cost a warning, as profiles say what they are of.
std::string plain_name(std::string_view text) {
  constexpr std::size_t kMaxSize = 70;
  std::string name;
  for (const char byte : text) {
    if (name.size() >= kMaxSize) break;
    const auto value = static_cast<unsigned char>(byte);
    if (std::isalnum(value) != 0 || byte == '-' || byte == '.') {
      name += byte;
    } else {
      name += fmt::format("%{:02X}", value);
    }
  }
  return name;
}

// What a profile of the place would be called; empty if the facts are not known.
std::string file_name_for(const HostReport& report) {
  if (!report.host.kernel || !report.file.device_number || !report.file.file_system) return "";
  return profile_file_name({.kernel = *report.host.kernel,
                            .device = *report.file.device_number,
                            .file_system = report.file.file_system->type});
}

}  // namespace

Result<std::string> profile_directory() {
  if (const std::string cache = environment("XDG_CACHE_HOME"); cache.starts_with('/'))
    return cache + "/wpack";
  if (const std::string home = environment("HOME"); home.starts_with('/'))
    return home + "/.cache/wpack";
  return Error(ErrorCode::kIo,
               "there is no cache directory: neither XDG_CACHE_HOME nor HOME names one");
}

Result<std::string> make_profile_directory() {
  WPACK_ASSIGN(std::string path, profile_directory());
  for (std::size_t end = path.find('/', 1); true; end = path.find('/', end + 1)) {
    const std::string parent = path.substr(0, end);
    if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST)
      return system_failure("creation of the directory", parent, errno);
    if (end == std::string::npos) break;
  }
  if (::access(path.c_str(), W_OK | X_OK) != 0) return system_failure("writing", path, errno);
  return path;
}

std::string profile_file_name(const ReadProfile& profile) {
  return fmt::format("read_profile_{}_{}_{}.json", plain_name(profile.device),
                     plain_name(profile.file_system), plain_name(profile.kernel));
}

Result<std::string> keep_profile(const std::string& directory, const ReadProfile& profile) {
  std::string path = directory + "/" + profile_file_name(profile);
  WPACK_TRY(replace_text_file(path, to_json(profile)));
  return path;
}

std::optional<ReadProfile> find_profile(const std::string& path, bool wanted) {
  const auto directory = profile_directory();
  std::error_code ignored;  // what cannot be looked into holds none
  // Looking at the host takes longer than this.
  if (!wanted || !directory || !std::filesystem::is_directory(*directory, ignored))
    return std::nullopt;
  const auto report = inspect_host(path);
  if (!report) return std::nullopt;  // the command itself will say why
  const std::string name = file_name_for(*report);
  if (name.empty()) return std::nullopt;
  const std::string file = *directory + "/" + name;
  auto profile = read_profile_from(file);
  if (profile) {
    const Status fits = matches(*profile, report->host, report->file);
    if (!fits) profile = Error(fits.error()).in(escape_name(file));
  }
  if (profile) return *std::move(profile);
  if (profile.error().system_errno() != ENOENT) {
    report_warning(fmt::format("the read profile is not followed (wpack tune makes a new one): {}",
                               profile.error().message()));
  }
  return std::nullopt;
}

}  // namespace wpack::cli
