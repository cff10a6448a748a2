#include "os/cgroup.h"

#include <algorithm>

#include "os/system_text.h"

namespace wpack::os {
namespace {

// The part of `group` below `root`, with its leading slash ("" for `root` itself); nullopt if it
// does not lie there.
std::optional<std::string_view> below(std::string_view group, std::string_view root) noexcept {
  if (root == "/") root = {};
  if (!group.starts_with(root)) return std::nullopt;
  group.remove_prefix(root.size());
  if (group == "/") return std::string_view();
  if (!group.empty() && group.front() != '/') return std::nullopt;
  // "/../x": the group is outside of this process's cgroup namespace.
  if (group.starts_with("/..")) return std::nullopt;
  return group;
}

std::vector<std::string> directories_up(const std::string& top, std::string_view group) {
  std::vector<std::string> directories;
  while (!group.empty()) {
    directories.push_back(top + std::string(group));
    const std::size_t slash = group.rfind('/');
    group = group.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
  directories.push_back(top);
  return directories;
}

// The mount through which most of the group's ancestors can be seen.
std::optional<CgroupPath> locate(std::string_view group, int version,
                                 const std::vector<const Mount*>& mounts) {
  std::optional<CgroupPath> best;
  for (const Mount* mount : mounts) {
    const auto inside = below(group, mount->root);
    CgroupPath path{version, directories_up(mount->point, inside.value_or(""))};
    const bool better = !best || path.directories.size() > best->directories.size();
    if (better) best = std::move(path);
  }
  return best;
}

bool has_word(const std::vector<std::string_view>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

std::vector<CgroupMembership> parse_cgroups(std::string_view text) {
  std::vector<CgroupMembership> memberships;
  for (const std::string_view line : split_at(text, '\n')) {
    const std::size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos || !line.substr(second + 1).starts_with('/')) continue;
    CgroupMembership membership;
    membership.group = line.substr(second + 1);
    const std::string_view names = line.substr(first + 1, second - first - 1);
    if (!names.empty()) {
      for (const std::string_view name : split_at(names, ','))
        membership.controllers.emplace_back(name);
    }
    memberships.push_back(std::move(membership));
  }
  return memberships;
}

std::optional<CgroupPath> find_cgroup(const std::vector<CgroupMembership>& memberships,
                                      const std::vector<Mount>& mounts,
                                      std::string_view controller) {
  std::vector<const Mount*> first_version;
  std::vector<const Mount*> second_version;
  for (const Mount& mount : mounts) {
    if (mount.type == "cgroup2") second_version.push_back(&mount);
    if (mount.type == "cgroup" && has_word(split_at(mount.super_options, ','), controller))
      first_version.push_back(&mount);
  }
  const auto of_controller = std::ranges::find_if(memberships, [&](const CgroupMembership& one) {
    return std::ranges::find(one.controllers, controller) != one.controllers.end();
  });
  if (of_controller != memberships.end()) return locate(of_controller->group, 1, first_version);
  const auto unified = std::ranges::find_if(
      memberships, [](const CgroupMembership& one) { return one.controllers.empty(); });
  if (unified == memberships.end()) return std::nullopt;
  return locate(unified->group, 2, second_version);
}

}  // namespace wpack::os
