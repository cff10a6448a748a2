#include "load/read_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/align.h"

namespace wpack::load {
namespace {

using base::kMebibyte;

class Reasons {
 public:
  explicit Reasons(const ReadCase& read_case) : case_(read_case) {}

  [[nodiscard]] std::vector<std::string> take(ReadMethod method) && {
    give(method);
    return std::move(reasons_);
  }

 private:
  void give(ReadMethod method) {
    switch (method) {
      case ReadMethod::kMap:
        return give_reasons_to_map();
      case ReadMethod::kReadInAndMap:
        add_residency();
        add_memory();
        reasons_.emplace_back("a mapping is no second copy");
        break;
      case ReadMethod::kDirect:
        add_residency();
        reasons_.emplace_back("no second copy stays in the page cache");
        break;
      case ReadMethod::kBuffered:
        add_residency();
        if (case_.is_remote()) {
          reasons_.push_back(fmt::format(
              "{}: large requests side by side hide how long each one takes", type_text()));
        }
        break;
    }
  }

  void give_reasons_to_map() {
    if (case_.kind() == FileSystemKind::kMemory) {
      reasons_.push_back(fmt::format("{}: the file is memory already", type_text()));
    } else if (case_.needs.checked_at_open) {
      reasons_.emplace_back("all bytes were read when they were checked at open");
    } else {
      add_residency();
    }
    if (case_.needs.access == AccessMode::kMap) reasons_.emplace_back("mapping was asked for");
  }

  void add_residency() {
    if (!case_.file.resident) {
      reasons_.push_back(fmt::format("how much is in the page cache is unknown: {}",
                                     case_.file.resident.error().message()));
      return;
    }
    const double share = case_.file.size == 0 ? 1
                                              : static_cast<double>(*case_.file.resident) /
                                                    static_cast<double>(case_.file.size);
    reasons_.push_back(fmt::format("{}: {:.0f} % of {} are in the page cache",
                                   case_.is_warm() ? "warm" : "cold", std::floor(100 * share),
                                   size_text(case_.file.size)));
  }

  void add_memory() {
    const auto available = case_.available_memory();
    reasons_.push_back(available ? fmt::format("{} fit into the {} of memory that are available",
                                               size_text(case_.needs.bytes), size_text(*available))
                                 : std::string("how much memory is available is unknown"));
  }

  [[nodiscard]] std::string type_text() const {
    return case_.file.file_system ? case_.file.file_system->type : "unknown file system";
  }

  const ReadCase& case_;
  std::vector<std::string> reasons_;
};

}  // namespace

FileSystemKind ReadCase::kind() const noexcept {
  return file.file_system ? file.file_system->kind : FileSystemKind::kUnknown;
}

bool ReadCase::is_remote() const noexcept {
  return kind() == FileSystemKind::kNetwork || kind() == FileSystemKind::kFuse;
}

bool ReadCase::is_warm() const noexcept {
  return file.resident &&
         static_cast<double>(*file.resident) >= kWarmShare * static_cast<double>(file.size);
}

bool ReadCase::is_in_memory() const noexcept {
  return is_warm() || needs.checked_at_open || kind() == FileSystemKind::kMemory;
}

std::optional<std::uint64_t> ReadCase::available_memory() const {
  std::optional<std::uint64_t> available;
  if (host.available_memory) available = *host.available_memory;
  if (host.cgroup_memory && *host.cgroup_memory) {
    const std::uint64_t group = (*host.cgroup_memory)->available();
    available = std::min(available.value_or(group), group);
  }
  return available;
}

std::vector<std::string> reasons_for(ReadMethod method, const ReadCase& read_case) {
  return Reasons(read_case).take(method);
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < kMebibyte) return fmt::format("{} bytes", bytes);
  return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / static_cast<double>(kMebibyte));
}

}  // namespace wpack::load
