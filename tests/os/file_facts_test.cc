#include "os/file_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "os/file.h"
#include "os/file_system_type.h"
#include "os/mapped_region.h"
#include "os/residency.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

TEST(FileSystemTypeTest, NamesWhatItKnowsAndNumbersTheRest) {
  EXPECT_EQ(file_system_of(0xEF53).type, "ext4");
  EXPECT_EQ(file_system_of(0xEF53).kind, FileSystemKind::kLocal);
  EXPECT_EQ(file_system_of(0x01021994).kind, FileSystemKind::kMemory);
  EXPECT_EQ(file_system_of(0x6969).kind, FileSystemKind::kNetwork);
  EXPECT_EQ(file_system_of(0x65735546).kind, FileSystemKind::kFuse);
  EXPECT_EQ(file_system_of(0x794C7630).kind, FileSystemKind::kOverlay);
  EXPECT_EQ(file_system_of(0x9123683E).type, "btrfs");
  EXPECT_EQ(file_system_of(0xABC).type, "0xabc");
  EXPECT_EQ(file_system_of(0xABC).kind, FileSystemKind::kUnknown);
  EXPECT_EQ(to_string(FileSystemKind::kUnknown), "unknown");
}

TEST(FileFactsTest, KnowsTheFileSystemAndMountOfAFile) {
  const TempDir directory;
  const std::string path = directory.write("data", std::string(10000, 'x'));
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, path_facts(SystemFiles(), path));
  EXPECT_EQ(facts.path, path);
  EXPECT_EQ(facts.size, 10000U);
  ASSERT_THAT(facts.file_system, IsOk());
  EXPECT_FALSE(facts.file_system->type.empty());
  ASSERT_THAT(facts.mount, IsOk());
  EXPECT_EQ(facts.mount->point.front(), '/');
  EXPECT_FALSE(facts.mount->options.empty());
}

TEST(FileFactsTest, LetsTheLargestFileStandForADirectory) {
  const TempDir directory;
  (void)directory.write("small", "x");
  const std::string large = directory.write("large", "xxx");
  std::filesystem::create_symlink("/dev/zero", directory.path() / "link");
  std::filesystem::create_directory(directory.path() / "folder");
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, path_facts(SystemFiles(), directory.path()));
  EXPECT_EQ(facts.path, large);
  EXPECT_EQ(facts.size, 3U);
}

TEST(FileFactsTest, FollowsTheLinksOfADirectory) {
  const TempDir blobs;
  const TempDir directory;
  std::filesystem::create_symlink(blobs.write("blob", "xxxxx"), directory.path() / "weights");
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, path_facts(SystemFiles(), directory.path()));
  EXPECT_EQ(facts.path, directory.file("weights"));
  EXPECT_EQ(facts.size, 5U);
}

TEST(FileFactsTest, LooksAtADirectoryWithoutFilesItself) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, path_facts(SystemFiles(), directory.path()));
  EXPECT_EQ(facts.path, directory.path());
  EXPECT_EQ(facts.size, 0U);
  EXPECT_TRUE(facts.file_system.has_value());
  EXPECT_THAT(facts.resident, Fails(ErrorCode::kUnsupportedHost, "a directory has no bytes"));
  EXPECT_THAT(facts.direct_alignment, Fails(ErrorCode::kUnsupportedHost, "a directory"));
}

TEST(FileFactsTest, RefusesWhatIsNotThereAndWhatIsNoFile) {
  const TempDir directory;
  EXPECT_THAT(path_facts(SystemFiles(), directory.file("none")),
              Fails(ErrorCode::kIo, "No such file"));
  EXPECT_THAT(path_facts(SystemFiles(), "/dev/null"), Fails(ErrorCode::kBadInput, "is a device"));
}

TEST(FileFactsTest, SaysWhyADeviceOrMountIsNotKnown) {
  const TempDir system;
  const std::string path = system.write("data", "x");
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, path_facts(SystemFiles(system.path()), path));
  EXPECT_THAT(facts.device, Fails(ErrorCode::kUnsupportedHost, "no one block device"));
  EXPECT_THAT(facts.device_number, IsOk()) << "the system calls know it";
  EXPECT_THAT(facts.kernel_readahead, Fails(ErrorCode::kIo, "read_ahead_kb"));
  EXPECT_THAT(facts.mount, Fails(ErrorCode::kIo, "mountinfo"));
}

TEST(FileFactsTest, SaysOfAClosedDescriptorThatNothingIsKnown) {
  const FileFacts facts = file_facts(SystemFiles(), -1, "gone");
  EXPECT_THAT(facts.file_system, Fails(ErrorCode::kIo, "statfs"));
  EXPECT_THAT(facts.device, Fails(ErrorCode::kIo, "stat"));
  EXPECT_THAT(facts.device_number, Fails(ErrorCode::kIo, "stat"));
  EXPECT_THAT(facts.resident, Fails(ErrorCode::kIo, "stat"));
}

// A device of which another host tells.
class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(file_, File::open_read(system_.write("data", "x")));
    struct stat status {};
    ASSERT_EQ(::stat(system_.file("data").c_str(), &status), 0);
    number_ = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
  }
  void put(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(system_.path() / path.substr(0, path.rfind('/')));
    (void)system_.write(path, text);
  }
  [[nodiscard]] FileFacts look() const {
    return file_facts(SystemFiles(system_.path()), file_.fd(), "data");
  }

  TempDir system_;
  File file_;
  std::string number_;
};

TEST_F(DeviceTest, IsReadFromItsQueue) {
  put("sys/dev/block/" + number_ + "/queue/rotational", "1\n");
  put("sys/dev/block/" + number_ + "/queue/logical_block_size", "512\n");
  put("sys/class/bdi/" + number_ + "/read_ahead_kb", "128\n");
  const FileFacts facts = look();
  ASSERT_THAT(facts.device, IsOk());
  EXPECT_EQ(facts.device->number, number_);
  EXPECT_EQ(facts.device_number.value(), number_);
  EXPECT_TRUE(facts.device->rotational);
  EXPECT_EQ(facts.device->logical_block_size, 512U);
  EXPECT_EQ(facts.kernel_readahead.value_or(0U), 131072U);
}

TEST_F(DeviceTest, IsReadFromTheDiskAroundAPartition) {
  std::filesystem::create_directories(system_.path() / "sys/dev/block" / number_);
  put("sys/dev/block/queue/rotational", "0\n");
  put("sys/dev/block/queue/logical_block_size", "4096\n");
  const FileFacts facts = look();
  ASSERT_THAT(facts.device, IsOk());
  EXPECT_FALSE(facts.device->rotational);
  EXPECT_EQ(facts.device->logical_block_size, 4096U);
}

TEST_F(DeviceTest, IsNotGuessedFromWhatIsNoNumber) {
  put("sys/dev/block/" + number_ + "/queue/rotational", "maybe\n");
  put("sys/dev/block/" + number_ + "/queue/logical_block_size", "512\n");
  put("sys/class/bdi/" + number_ + "/read_ahead_kb", "-1\n");
  const FileFacts facts = look();
  EXPECT_THAT(facts.device, Fails(ErrorCode::kUnsupportedHost, "rotational: 'maybe"));
  EXPECT_THAT(facts.kernel_readahead, Fails(ErrorCode::kUnsupportedHost, "is not understood"));
}

// A file whose pages can be dropped from the page cache one by one.
class ResidencyTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 8 * kMebibyte;

  void SetUp() override {
    const std::string path = directory_.write("data", std::string(kSize, 'x'));
    ASSERT_OK_AND_ASSIGN(const UniqueFd directory, open_directory(directory_.path()));
    ASSERT_OK_AND_ASSIGN(file_, File::open_update_at(directory, "data", path));
    ASSERT_THAT(file_.sync(), IsOk());
  }
  // Leaves the pages of [0, kSize / 2) in the page cache, or skips the test.
  void drop_second_half() {
    file_.advise_dont_need(kSize / 2, kSize / 2);
    const auto resident = resident_by_mincore(file_.fd(), {kSize / 2, kSize});
    ASSERT_THAT(resident, IsOk());
    if (*resident > 0) GTEST_SKIP() << "this file system does not drop pages";
  }

  TempDir directory_;
  File file_;
};

TEST_F(ResidencyTest, FindsAllOfAFileThatWasJustWritten) {
  EXPECT_EQ(resident_bytes(file_.fd(), {0, kSize}).value_or(0U), kSize);
  EXPECT_EQ(resident_by_mincore(file_.fd(), {0, kSize}).value_or(0U), kSize);
  EXPECT_EQ(resident_bytes(file_.fd(), {0, 0}).value_or(1U), 0U);
  EXPECT_EQ(resident_by_mincore(file_.fd(), {0, 0}).value_or(1U), 0U);
}

TEST_F(ResidencyTest, FindsWhatIsLeftOfAFileThatWasDroppedInPart) {
  drop_second_half();
  if (IsSkipped()) return;
  EXPECT_EQ(resident_bytes(file_.fd(), {0, kSize}).value_or(0U), kSize / 2);
  EXPECT_EQ(resident_by_mincore(file_.fd(), {0, kSize}).value_or(0U), kSize / 2);
  EXPECT_EQ(resident_by_mincore(file_.fd(), {kSize / 4 + 1, kSize}).value_or(0U), kSize / 4);
}

TEST_F(ResidencyTest, SaysTheSameByBothWaysWhereTheKernelHasBoth) {
  const auto found = resident_by_cachestat(file_.fd(), {0, kSize});
  if (!found) GTEST_SKIP() << found.error().message();
  EXPECT_EQ(*found, resident_by_mincore(file_.fd(), {0, kSize}).value_or(0U));
}

TEST_F(ResidencyTest, EstimatesALongRangeFromPieces) {
  // A hole of 1 GiB behind the bytes, of which nothing was ever read.
  const std::uint64_t size = 1024 * kMebibyte;
  ASSERT_THAT(file_.truncate(size), IsOk());
  const auto resident = resident_bytes(file_.fd(), {0, size});
  ASSERT_THAT(resident, IsOk());
  EXPECT_LE(*resident, size / 16);
}

TEST(ResidencyOfNothingTest, SaysWhatBothWaysAnswered) {
  EXPECT_THAT(resident_bytes(-1, {0, 4096}), Fails(ErrorCode::kUnsupportedHost,
                                                   "cachestat failed: "
                                                   "Bad file"));
  EXPECT_THAT(resident_by_mincore(-1, {0, 4096}), Fails(ErrorCode::kUnsupportedHost, ""));
}

}  // namespace
}  // namespace wpack::os
