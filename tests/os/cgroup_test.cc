// Tables as real hosts show them: /proc/self/cgroup and /proc/self/mountinfo, other lines left out.
#include "os/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wpack::os {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::optional<CgroupPath> path_of(std::string_view groups, std::string_view mounts,
                                  std::string_view controller = "memory") {
  return find_cgroup(parse_cgroups(groups), parse_mountinfo(mounts), controller);
}

constexpr std::string_view kUnifiedMount =
    "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 "
    "rw,nsdelegate,memory_recursiveprot\n";

TEST(CgroupTest, ReadsTheLinesOfBothVersions) {
  const auto groups = parse_cgroups("4:cpu,cpuacct:/a:b\n2:name=systemd:/\n0::/user.slice\n");
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_THAT(groups[0].controllers, ElementsAre("cpu", "cpuacct"));
  EXPECT_EQ(groups[0].group, "/a:b");
  EXPECT_THAT(groups[2].controllers, IsEmpty());
  EXPECT_EQ(groups[2].group, "/user.slice");
}

TEST(CgroupTest, LeavesLinesOutThatItDoesNotUnderstand) {
  EXPECT_THAT(parse_cgroups("\nmemory\n4:memory\n4:memory:relative\n"), IsEmpty());
}

TEST(CgroupTest, GoesUpFromTheGroupOfADesktopSession) {
  const auto path = path_of("0::/user.slice/user-1000.slice/session-3.scope\n", kUnifiedMount);
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->version, 2);
  EXPECT_THAT(path->directories,
              ElementsAre("/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope",
                          "/sys/fs/cgroup/user.slice/user-1000.slice", "/sys/fs/cgroup/user.slice",
                          "/sys/fs/cgroup"));
}

TEST(CgroupTest, StaysAtTheMountOfAContainerWithItsOwnNamespace) {
  const auto path = path_of("0::/\n", kUnifiedMount);
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(path->directories, ElementsAre("/sys/fs/cgroup"));
}

TEST(CgroupTest, StaysAtTheMountWhereTheGroupIsOutsideOfTheNamespace) {
  const auto path = path_of("0::/../../system.slice/a.service\n", kUnifiedMount);
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(path->directories, ElementsAre("/sys/fs/cgroup"));
}

constexpr std::string_view kDockerMounts =
    "1145 1140 0:31 /docker/8f1d /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime "
    "master:11 - cgroup cgroup rw,cpu,cpuacct\n"
    "1147 1140 0:35 /docker/8f1d /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:18 - "
    "cgroup cgroup rw,memory\n";

TEST(CgroupTest, TakesTheMountedPartOffTheGroupOfAContainerOfVersion1) {
  const auto path = path_of("11:memory:/docker/8f1d\n4:cpu,cpuacct:/docker/8f1d\n", kDockerMounts);
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->version, 1);
  EXPECT_THAT(path->directories, ElementsAre("/sys/fs/cgroup/memory"));
}

TEST(CgroupTest, GoesUpInsideOfANestedContainerOfVersion1) {
  const auto path = path_of("11:memory:/docker/8f1d/kubepods/pod7/c1\n", kDockerMounts);
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(
      path->directories,
      ElementsAre("/sys/fs/cgroup/memory/kubepods/pod7/c1", "/sys/fs/cgroup/memory/kubepods/pod7",
                  "/sys/fs/cgroup/memory/kubepods", "/sys/fs/cgroup/memory"));
}

TEST(CgroupTest, DoesNotTakeANeighbourForItsParent) {
  const auto path = path_of("11:memory:/docker/8f1d2\n", kDockerMounts);
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(path->directories, ElementsAre("/sys/fs/cgroup/memory"));
}

TEST(CgroupTest, FindsAControllerThatSharesItsHierarchy) {
  const auto path = path_of("4:cpu,cpuacct:/docker/8f1d/x\n", kDockerMounts, "cpu");
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(path->directories,
              ElementsAre("/sys/fs/cgroup/cpu,cpuacct/x", "/sys/fs/cgroup/cpu,cpuacct"));
}

// Both versions are mounted, and memory is governed by version 1.
constexpr std::string_view kHybridGroups =
    "9:name=systemd:/\n4:memory:/sandbox/8952\n1:cpu:/\n0::/elsewhere\n";
constexpr std::string_view kHybridMounts =
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(CgroupTest, PrefersTheVersionThatHasTheControllerOnAHybridHost) {
  const auto memory = path_of(kHybridGroups, kHybridMounts);
  ASSERT_TRUE(memory.has_value());
  EXPECT_EQ(memory->version, 1);
  EXPECT_THAT(memory->directories,
              ElementsAre("/sys/fs/cgroup/memory/sandbox/8952", "/sys/fs/cgroup/memory/sandbox",
                          "/sys/fs/cgroup/memory"));
  const auto io = path_of(kHybridGroups, kHybridMounts, "io");
  ASSERT_TRUE(io.has_value());
  EXPECT_EQ(io->version, 2);
  EXPECT_EQ(io->directories.front(), "/sys/fs/cgroup/unified/elsewhere");
}

TEST(CgroupTest, PrefersTheMountThatShowsMostAncestors) {
  const auto path = path_of("0::/a/b\n",
                            "50 1 0:30 /a/b /inner rw - cgroup2 cgroup2 rw\n"
                            "51 1 0:30 / /all rw - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(path.has_value());
  EXPECT_THAT(path->directories, ElementsAre("/all/a/b", "/all/a", "/all"));
}

TEST(CgroupTest, FindsNothingWhereNothingIsMounted) {
  EXPECT_FALSE(path_of("0::/\n", "22 1 254:0 / / rw - ext4 /dev/vda1 rw\n").has_value());
  EXPECT_FALSE(path_of("11:memory:/a\n0::/\n", kUnifiedMount).has_value());
  EXPECT_FALSE(path_of("", kUnifiedMount).has_value());
}

}  // namespace
}  // namespace wpack::os
