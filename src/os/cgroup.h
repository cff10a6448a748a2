// Where the kernel shows the control groups of this process: pure functions of /proc/self/cgroup
// (cgroups(7)) and the mount table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/mount_table.h"

namespace wpack::os {

// One line of /proc/self/cgroup: a hierarchy, and this process's group in it.
struct CgroupMembership {
  std::vector<std::string> controllers;  // of version 1; empty for version 2
  std::string group;                     // seen from the root of this process's cgroup namespace
};

[[nodiscard]] std::vector<CgroupMembership> parse_cgroups(std::string_view text);

// A process's group and those around it, as directories.
struct CgroupPath {
  int version = 0;  // 1 or 2
  // From the group itself up to the highest that can be seen. Never empty.
  std::vector<std::string> directories;
  friend bool operator==(const CgroupPath&, const CgroupPath&) = default;
};

// Returns the directories that `controller` ("memory", "cpu") governs this process by; version 1
// goes first, as a controller that it has is not in version 2. nullopt if none is mounted. A group
// that lies outside of what is mounted (a container that sees only its own) is the mount itself.
[[nodiscard]] std::optional<CgroupPath> find_cgroup(
    const std::vector<CgroupMembership>& memberships, const std::vector<Mount>& mounts,
    std::string_view controller);

}  // namespace wpack::os
