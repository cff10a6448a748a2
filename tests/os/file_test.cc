#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>

#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

TEST(FileTest, ReadsExactlyTheRangeThatWasAsked) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(directory.write("data", "0123456789")));
  std::array<std::byte, 4> out{};
  ASSERT_THAT(file.read_exact(3, out), IsOk());
  EXPECT_EQ(out[0], std::byte{'3'});
  EXPECT_EQ(out[3], std::byte{'6'});
  EXPECT_EQ(file.size().value_or(0), 10U);
}

TEST(FileTest, ReportsTheOffsetAtWhichAFileEndsTooSoon) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(directory.write("data", "0123456789")));
  std::array<std::byte, 4> out{};
  EXPECT_THAT(file.read_exact(8, out), Fails(ErrorCode::kIo, "file ends at offset 10"));
}

TEST(FileTest, RejectsAMissingFileByName) {
  EXPECT_THAT(File::open_read("/nonexistent/x.bin"), Fails(ErrorCode::kIo, "/nonexistent/x.bin"));
}

TEST(FileTest, RejectsDirectoriesAndFifosWithoutWaiting) {
  const TempDir directory;
  EXPECT_THAT(File::open_read(directory.path().string()),
              Fails(ErrorCode::kBadInput, "is a directory"));
  ASSERT_EQ(::mkfifo(directory.file("fifo").c_str(), 0600), 0);
  EXPECT_THAT(File::open_read(directory.file("fifo")), Fails(ErrorCode::kBadInput, "is a FIFO"));
}

TEST(FileTest, FollowsLinksThatTheUserNamedAndRefusesThemInsideADirectory) {
  const TempDir directory;
  (void)directory.write("data", "x");
  std::filesystem::create_symlink("data", directory.path() / "link");
  EXPECT_THAT(File::open_read(directory.file("link")), IsOk());
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_directory(directory.path().string()));
  EXPECT_THAT(File::open_read_at(fd, "link", "m.wpack/link"),
              Fails(ErrorCode::kIo, "m.wpack/link: is a symbolic link"));
}

TEST(FileTest, EscapesControlCharactersOfAPathInErrors) {
  EXPECT_THAT(File::open_read("/nonexistent/\x1b[2J"), Fails(ErrorCode::kIo, "\\x1b[2J"));
}

TEST(FileTest, CreatesWritesTruncatesAndSyncs) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_directory(directory.path().string()));
  ASSERT_OK_AND_ASSIGN(const File file, File::create_at(fd, "new", "new"));
  const std::string text = "hello";
  ASSERT_THAT(file.write_all(3, std::as_bytes(std::span(text))), IsOk());
  ASSERT_THAT(file.truncate(7), IsOk());
  ASSERT_THAT(file.sync(), IsOk());
  EXPECT_EQ(testing::read_file(directory.path() / "new"), std::string("\0\0\0hell", 7));
  EXPECT_THAT(File::create_at(fd, "new", "new"), Fails(ErrorCode::kIo, "File exists"));
}

TEST(FileTest, KnowsWhetherANameStillLeadsToWhatIsOpen) {
  const TempDir directory;
  std::filesystem::create_directory(directory.path() / "d");
  std::filesystem::create_directory_symlink("d", directory.path() / "link");
  ASSERT_OK_AND_ASSIGN(const UniqueFd parent, open_directory(directory.path().string()));
  ASSERT_OK_AND_ASSIGN(const UniqueFd opened, open_directory(directory.file("link")));
  EXPECT_TRUE(leads_to(directory.file("d"), opened));
  EXPECT_TRUE(leads_to(directory.file("link"), opened));
  EXPECT_TRUE(is_entry(parent, "d", opened.get()));
  EXPECT_FALSE(is_entry(parent, "link", opened.get()));
  std::filesystem::rename(directory.path() / "d", directory.path() / "old");
  EXPECT_FALSE(leads_to(directory.file("d"), opened));
  std::filesystem::create_directory(directory.path() / "d");
  EXPECT_FALSE(leads_to(directory.file("d"), opened));
  EXPECT_FALSE(is_entry(parent, "d", opened.get()));
}

TEST(FileTest, SharesALockOrHasItAlone) {
  const TempDir directory;
  const std::string path = directory.write("data", "x");
  ASSERT_OK_AND_ASSIGN(const File one, File::open_read(path));
  ASSERT_OK_AND_ASSIGN(const File two, File::open_read(path));
  {
    ASSERT_OK_AND_ASSIGN(const File three, File::open_read(path));
    EXPECT_EQ(try_lock(one.fd(), LockKind::kShared), 0);
    EXPECT_EQ(try_lock(three.fd(), LockKind::kShared), 0);
    EXPECT_EQ(try_lock(two.fd(), LockKind::kExclusive), EWOULDBLOCK);
  }
  EXPECT_EQ(try_lock(one.fd(), LockKind::kExclusive), 0);
  EXPECT_EQ(try_lock(two.fd(), LockKind::kShared), EWOULDBLOCK);
  EXPECT_EQ(try_lock(-1, LockKind::kShared), EBADF);
}

TEST(FileTest, ReservesNoMoreThanTheFileSystemHas) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(directory.write("data", "")));
  EXPECT_THAT(file.reserve(std::uint64_t{1} << 62),
              Fails(ErrorCode::kLimit,
                    "reserve of 4611686018427387904 bytes at offset 0 failed: No "
                    "space left on device"));
}

TEST(FileTest, NoticesThatAFileChanged) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(directory.write("data", "0123456789")));
  const auto before = file.identity();
  (void)directory.write("data", "012345678");
  EXPECT_NE(*before, *file.identity());
}

}  // namespace
}  // namespace wpack::os
