#include "os/mount_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wpack::os {
namespace {

using ::testing::IsEmpty;

TEST(MountTableTest, ReadsALineWithOptionalFields) {
  const auto mounts = parse_mountinfo(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root "
      "rw,errors=continue\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].id, 36U);
  EXPECT_EQ(mounts[0].device, "98:0");
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].point, "/mnt2");
  EXPECT_EQ(mounts[0].options, "rw,noatime");
  EXPECT_EQ(mounts[0].type, "ext3");
  EXPECT_EQ(mounts[0].source, "/dev/root");
  EXPECT_EQ(mounts[0].super_options, "rw,errors=continue");
}

TEST(MountTableTest, ReadsALineWithoutOptionalFieldsAndWithADashForItsSource) {
  const auto mounts = parse_mountinfo("22 27 0:21 / /proc rw,relatime - proc - rw");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].type, "proc");
  EXPECT_EQ(mounts[0].source, "-");
}

TEST(MountTableTest, DecodesBlanksAndBackslashesInNames) {
  const auto mounts =
      parse_mountinfo("1 1 0:1 / /a\\040b\\134c\\012 rw - fuse.sshfs me@host:/x\\040y rw\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].point, "/a b\\c\n");
  EXPECT_EQ(mounts[0].source, "me@host:/x y");
}

TEST(MountTableTest, LeavesABackslashThatStartsNoNumberAlone) {
  const auto mounts = parse_mountinfo("1 1 0:1 / /a\\9\\08\\777\\0 rw - ext4 x rw\n");
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].point, "/a\\9\\08\\777\\0");
}

TEST(MountTableTest, LeavesLinesOutThatItDoesNotUnderstand) {
  EXPECT_THAT(parse_mountinfo(""), IsEmpty());
  EXPECT_THAT(parse_mountinfo("a b c\n"), IsEmpty());
  EXPECT_THAT(parse_mountinfo("x 1 0:1 / / rw - ext4 a rw\n"), IsEmpty());
  EXPECT_THAT(parse_mountinfo("1 1 0:1 / / rw shared:1 master:2 ext4 a rw\n"), IsEmpty());
  EXPECT_THAT(parse_mountinfo("1 1 0:1 / / rw shared:1 master:2 - ext4\n"), IsEmpty());
}

TEST(MountTableTest, FindsAMountByItsNumberAndElseByItsDevice) {
  const auto mounts = parse_mountinfo(
      "30 1 8:1 / / rw - ext4 a rw\n"
      "31 1 8:2 / /b rw - xfs b rw\n"
      "32 1 8:1 / /over rw - ext4 a rw\n");
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(find_mount(mounts, 31, "8:1"), &mounts[1]);
  EXPECT_EQ(find_mount(mounts, 0, "8:1"), &mounts[2]);
  EXPECT_EQ(find_mount(mounts, 0, "9:9"), nullptr);
}

}  // namespace
}  // namespace wpack::os
