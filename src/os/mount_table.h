// /proc/self/mountinfo, as pure functions of its text (proc(5)).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wpack::os {

struct Mount {
  std::uint64_t id = 0;
  std::string device;   // "major:minor"
  std::string root;     // the folder of the file system that is mounted
  std::string point;    // where, seen from this process's root
  std::string options;  // of this mount
  std::string type;     // of the file system: "ext4", "fuse.sshfs"
  std::string source;
  std::string super_options;  // of the file system; for cgroup version 1, its controllers
};

// Returns the mounts in the order of the text, names decoded (the kernel writes blanks as \040).
// Lines that do not read as they should are left out.
[[nodiscard]] std::vector<Mount> parse_mountinfo(std::string_view text);

// Returns the mount `id`; or, where no mount has it, the last one of the file system `device`; or
// nullptr. The pointer is into `mounts`.
[[nodiscard]] const Mount* find_mount(const std::vector<Mount>& mounts, std::uint64_t id,
                                      std::string_view device) noexcept;

}  // namespace wpack::os
