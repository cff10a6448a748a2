#include "restrictions.h"

#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <utility>

namespace wpack::limits {
namespace {

namespace fs = std::filesystem;

void require(bool done) {
  if (!done) ::_exit(kSetupFailed);
}

bool write_text(const fs::path& path, const std::string& text) {
  std::ofstream out(path);
  out << text << std::flush;
  return static_cast<bool>(out);
}

// Version 1 keeps memory in a hierarchy of its own; version 2 in the only one.
struct Hierarchy {
  fs::path root;
  const char* limit;
  const char* peak;
};
constexpr const char* kRoot = "/sys/fs/cgroup";
const Hierarchy kHierarchies[] = {
    {fs::path(kRoot) / "memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
    {kRoot, "memory.max", "memory.peak"},
};

const Hierarchy& hierarchy_of(const fs::path& group) {
  return group.parent_path() == kHierarchies[0].root ? kHierarchies[0] : kHierarchies[1];
}

}  // namespace

cli::Command::ChildSetup open_files(std::uint64_t count) {
  return [count] {
    const rlimit limit{count, count};
    require(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  };
}

cli::Command::ChildSetup as_nobody() {
  return [] {
    constexpr gid_t kNobody = 65534;
    require(::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0);
  };
}

cli::Command::ChildSetup read_only_root(const fs::path& writable) {
  return [writable] {
    require(::unshare(CLONE_NEWNS) == 0);
    require(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    if (!writable.empty()) {
      require(::mount(writable.c_str(), writable.c_str(), nullptr, MS_BIND, nullptr) == 0);
    }
    require(::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  };
}

std::optional<MemoryGroup> MemoryGroup::make(std::uint64_t bytes) {
  for (const Hierarchy& hierarchy : kHierarchies) {
    const fs::path path = hierarchy.root / ("wpack-test-" + std::to_string(::getpid()));
    std::error_code failed;
    if (!fs::create_directory(path, failed)) continue;
    MemoryGroup group(path);
    if (fs::exists(path / hierarchy.limit) &&
        write_text(path / hierarchy.limit, std::to_string(bytes))) {
      return group;
    }
  }
  return std::nullopt;
}

MemoryGroup::MemoryGroup(MemoryGroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}

MemoryGroup::~MemoryGroup() {
  if (!path_.empty()) (void)::rmdir(path_.c_str());
}

cli::Command::ChildSetup MemoryGroup::member() const {
  return [processes = path_ / "cgroup.procs"] { require(write_text(processes, "0")); };
}

std::uint64_t MemoryGroup::peak() const {
  std::ifstream in(path_ / hierarchy_of(path_).peak);
  std::uint64_t bytes = 0;
  in >> bytes;
  return bytes;
}

bool possible(const cli::Command::ChildSetup& setup) {
  return cli::run({"--version"}, setup).status != kSetupFailed;
}

}  // namespace wpack::limits
