#include "os/staged_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <algorithm>

#include "os/file.h"
#include "support/open_file_limit.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

const std::string kMarker = "index.wpi";

std::vector<std::string> entries(const TempDir& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

void put(const StagedDirectory& staged, const std::string& name, const std::string& text) {
  ASSERT_OK_AND_ASSIGN(const File file, File::create_at(staged.fd(), name, name));
  ASSERT_THAT(file.write_all(0, std::as_bytes(std::span(text))), IsOk());
}

TEST(StagedDirectoryTest, PublishesUnderTheNameAndLeavesNothingElse) {
  const TempDir parent;
  ASSERT_OK_AND_ASSIGN(
      StagedDirectory staged,
      StagedDirectory::create(parent.file("m.wpack/"), kMarker, ExistingTarget::kRefuse));
  put(staged, "index.wpi", "new");
  ASSERT_THAT(staged.publish(), IsOk());
  EXPECT_EQ(entries(parent), std::vector<std::string>{"m.wpack"});
  EXPECT_EQ(testing::read_file(parent.path() / "m.wpack" / "index.wpi"), "new");
}

TEST(StagedDirectoryTest, RemovesItselfWhenItIsNotPublished) {
  const TempDir parent;
  {
    ASSERT_OK_AND_ASSIGN(
        const StagedDirectory staged,
        StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kRefuse));
    put(staged, "index.wpi", "new");
    EXPECT_EQ(entries(parent).size(), 1U);
  }
  EXPECT_TRUE(entries(parent).empty());
}

TEST(StagedDirectoryTest, RefusesAnExistingTargetAndOneThatAppearsMeanwhile) {
  const TempDir parent;
  (void)parent.write("taken", "x");
  EXPECT_THAT(StagedDirectory::create(parent.file("taken"), kMarker, ExistingTarget::kRefuse),
              Fails(ErrorCode::kIo, "already exists"));
  ASSERT_OK_AND_ASSIGN(StagedDirectory staged, StagedDirectory::create(parent.file("late"), kMarker,
                                                                       ExistingTarget::kRefuse));
  (void)parent.write("late", "x");
  EXPECT_THAT(staged.publish(), Fails(ErrorCode::kIo, "already exists"));
  EXPECT_EQ(testing::read_file(parent.path() / "late"), "x");
}

TEST(StagedDirectoryTest, ReplacesOnlyADirectoryThatHoldsTheMarker) {
  const TempDir parent;
  std::filesystem::create_directories(parent.path() / "m.wpack" / "sub");
  EXPECT_THAT(StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kReplace),
              Fails(ErrorCode::kIo, "is not a container"));
  (void)parent.write("m.wpack/index.wpi", "old");
  ASSERT_OK_AND_ASSIGN(const File reader,
                       File::open_read((parent.path() / "m.wpack" / "index.wpi").string()));
  ASSERT_OK_AND_ASSIGN(
      StagedDirectory staged,
      StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kReplace));
  put(staged, "index.wpi", "new");
  ASSERT_THAT(staged.publish(), IsOk());
  EXPECT_EQ(entries(parent), std::vector<std::string>{"m.wpack"});
  EXPECT_EQ(testing::read_file(parent.path() / "m.wpack" / "index.wpi"), "new");
  std::array<std::byte, 3> old{};
  ASSERT_THAT(reader.read_exact(0, old), IsOk());
  EXPECT_EQ(old[0], std::byte{'o'});
}

TEST(StagedDirectoryTest, RefusesToReplaceALinkToAContainer) {
  const TempDir parent;
  std::filesystem::create_directories(parent.path() / "real");
  (void)parent.write("real/index.wpi", "old");
  std::filesystem::create_directory_symlink("real", parent.path() / "m.wpack");
  EXPECT_THAT(StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kReplace),
              Fails(ErrorCode::kIo, "is not a container"));
}

TEST(StagedDirectoryTest, SweepsDeadWritersAndSparesLiveOnes) {
  const TempDir parent;
  const std::string dead = ".m.wpack.wpack-tmp-0123456789abcdef";
  const std::string other = ".n.wpack.wpack-tmp-0123456789abcdef";
  std::filesystem::create_directories(parent.path() / dead / "sub");
  (void)parent.write(dead + "/00000.wps", "x");
  std::filesystem::create_directories(parent.path() / other);
  ASSERT_OK_AND_ASSIGN(
      const StagedDirectory live,
      StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kRefuse));
  EXPECT_EQ(live.swept(), std::vector<std::string>{dead});
  ASSERT_OK_AND_ASSIGN(
      const StagedDirectory second,
      StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kRefuse));
  EXPECT_TRUE(second.swept().empty());
  EXPECT_EQ(entries(parent).size(), 3U);
}

TEST(StagedDirectoryTest, SparesWhatOnlyLooksLikeALeaving) {
  const TempDir parent;
  for (const char* name :
       {".m.wpack.wpack-tmp-0123456789abcdeg", ".m.wpack.wpack-tmp-0123456789abcde",
        "m.wpack.wpack-tmp-0123456789abcdef"})
    std::filesystem::create_directory(parent.path() / name);
  (void)parent.write(".m.wpack.wpack-tmp-0123456789abcdef", "a file");
  const auto before = entries(parent);
  {
    ASSERT_OK_AND_ASSIGN(
        const StagedDirectory staged,
        StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kRefuse));
    EXPECT_TRUE(staged.swept().empty());
  }
  EXPECT_EQ(entries(parent), before);
}

TEST(StagedDirectoryTest, KeepsAReplacedDirectoryWhileAReaderHoldsItsMarker) {
  const TempDir parent;
  std::filesystem::create_directory(parent.path() / "m.wpack");
  (void)parent.write("m.wpack/index.wpi", "old");
  (void)parent.write("m.wpack/00000.wps", "old");
  const auto replace = [&]() -> Result<StagedDirectory> {
    WPACK_ASSIGN(StagedDirectory staged, StagedDirectory::create(parent.file("m.wpack"), kMarker,
                                                                 ExistingTarget::kReplace));
    put(staged, kMarker, "new");
    WPACK_TRY(staged.publish());
    return staged;
  };
  std::optional<std::string> kept;
  {
    ASSERT_OK_AND_ASSIGN(const File reader, File::open_read(parent.file("m.wpack/index.wpi")));
    ASSERT_EQ(try_lock(reader.fd(), LockKind::kShared), 0);
    ASSERT_OK_AND_ASSIGN(const StagedDirectory first, replace());
    kept = first.kept();
    ASSERT_TRUE(kept);
    ASSERT_OK_AND_ASSIGN(const StagedDirectory second, replace());
    EXPECT_TRUE(second.swept().empty());
    EXPECT_FALSE(second.kept());
    EXPECT_EQ(testing::read_file(parent.path() / *kept / "00000.wps"), "old");
  }
  ASSERT_OK_AND_ASSIGN(const StagedDirectory third, replace());
  EXPECT_EQ(third.swept(), std::vector<std::string>{*kept});
  EXPECT_EQ(entries(parent), std::vector<std::string>{"m.wpack"});
}

TEST(StagedDirectoryTest, TakesNamesOfTheLargestSize) {
  const TempDir parent;
  const std::string name(255, 'n');
  ASSERT_OK_AND_ASSIGN(StagedDirectory staged, StagedDirectory::create(parent.file(name), kMarker,
                                                                       ExistingTarget::kRefuse));
  ASSERT_THAT(staged.publish(), IsOk());
  EXPECT_EQ(entries(parent), std::vector<std::string>{name});
}

TEST(StagedDirectoryTest, RefusesAMissingParentAndNamelessTargets) {
  const TempDir parent;
  EXPECT_THAT(StagedDirectory::create(parent.file("no/m.wpack"), kMarker, ExistingTarget::kRefuse),
              Fails(ErrorCode::kIo, "open directory failed"));
  EXPECT_THAT(StagedDirectory::create("/", kMarker, ExistingTarget::kRefuse),
              Fails(ErrorCode::kInvalidArgument, "names no new directory"));
}

// The directory can be made, but no descriptor is left to open it with.
TEST(StagedDirectoryTest, LeavesNothingWhereItCannotOpenWhatItMade) {
  const TempDir parent;
  const UniqueFd next(::open("/", O_RDONLY | O_CLOEXEC));
  // The limit ends before the result is looked at: a sanitizer needs descriptors for that.
  const auto staged = [&] {
    // One more: for the parent directory.
    const testing::OpenFileLimit few(static_cast<rlim_t>(next.get()) + 2);
    return StagedDirectory::create(parent.file("m.wpack"), kMarker, ExistingTarget::kRefuse);
  }();
  EXPECT_THAT(staged, Fails(ErrorCode::kLimit, "open of a temporary directory failed"));
  EXPECT_TRUE(entries(parent).empty());
}

}  // namespace
}  // namespace wpack::os
