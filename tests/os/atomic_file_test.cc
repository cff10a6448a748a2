#include "os/atomic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::IsEmpty;
using testing::IsOk;
using ::testing::MatchesRegex;
using testing::TempDir;

std::vector<std::string> names_in(const TempDir& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    names.push_back(entry.path().filename().string());
  return names;
}

Status write_text(const AtomicFile& atomic, std::string_view text) {
  return atomic.file().write_all(0, std::as_bytes(std::span(text)));
}

TEST(AtomicFileTest, WritesUnderAHiddenRandomNameBesideTheTarget) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const AtomicFile first,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  EXPECT_THAT(names_in(directory), ElementsAre(MatchesRegex("\\.x\\.wpack-tmp-[0-9a-f]{16}")));
  ASSERT_OK_AND_ASSIGN(const AtomicFile second,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  EXPECT_EQ(names_in(directory).size(), 2U);
}

TEST(AtomicFileTest, GivesTheFileItsNameOnCommit) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  ASSERT_THAT(write_text(atomic, "new"), IsOk());
  ASSERT_THAT(atomic.commit(), IsOk());
  EXPECT_THAT(names_in(directory), ElementsAre("x"));
  EXPECT_EQ(testing::read_file(directory.file("x")), "new");
}

TEST(AtomicFileTest, LeavesNothingBehindWithoutCommit) {
  const TempDir directory;
  {
    ASSERT_OK_AND_ASSIGN(const AtomicFile atomic,
                         AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
    ASSERT_THAT(write_text(atomic, "new"), IsOk());
  }
  EXPECT_THAT(names_in(directory), IsEmpty());
}

TEST(AtomicFileTest, LeavesTheTargetAloneWhenItWasMovedFrom) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  {
    AtomicFile moved = std::move(atomic);
    ASSERT_THAT(moved.commit(), IsOk());
  }
  EXPECT_THAT(names_in(directory), ElementsAre("x"));
}

TEST(AtomicFileTest, RejectsAnExistingTargetBeforeAnyWork) {
  const TempDir directory;
  (void)directory.write("x", "old");
  EXPECT_THAT(AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse),
              Fails(ErrorCode::kIo, "x: already exists"));
  EXPECT_THAT(names_in(directory), ElementsAre("x"));
}

TEST(AtomicFileTest, RejectsADanglingLinkAsATarget) {
  const TempDir directory;
  std::filesystem::create_symlink("nowhere", directory.path() / "x");
  EXPECT_THAT(AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse),
              Fails(ErrorCode::kIo, "already exists"));
}

TEST(AtomicFileTest, RejectsATargetThatAppearedMeanwhileAndKeepsIt) {
  const TempDir directory;
  {
    ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                         AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
    (void)directory.write("x", "other writer");
    EXPECT_THAT(atomic.commit(), Fails(ErrorCode::kIo, "x: already exists"));
  }
  EXPECT_THAT(names_in(directory), ElementsAre("x"));
  EXPECT_EQ(testing::read_file(directory.file("x")), "other writer");
}

TEST(AtomicFileTest, ReplacesAFileOnlyOnCommit) {
  const TempDir directory;
  (void)directory.write("x", "old");
  ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kReplace));
  ASSERT_THAT(write_text(atomic, "new"), IsOk());
  EXPECT_EQ(testing::read_file(directory.file("x")), "old");
  ASSERT_THAT(atomic.commit(), IsOk());
  EXPECT_EQ(testing::read_file(directory.file("x")), "new");
  EXPECT_THAT(names_in(directory), ElementsAre("x"));
}

TEST(AtomicFileTest, ReplacesALinkInsteadOfWhatItPointsTo) {
  const TempDir directory;
  (void)directory.write("data", "old");
  std::filesystem::create_symlink("data", directory.path() / "x");
  ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kReplace));
  ASSERT_THAT(atomic.commit(), IsOk());
  EXPECT_FALSE(std::filesystem::is_symlink(directory.path() / "x"));
  EXPECT_EQ(testing::read_file(directory.file("data")), "old");
}

TEST(AtomicFileTest, RejectsADirectoryAsATargetEvenToReplace) {
  const TempDir directory;
  std::filesystem::create_directory(directory.path() / "x");
  EXPECT_THAT(AtomicFile::create(directory.file("x"), ExistingTarget::kReplace),
              Fails(ErrorCode::kIo, "x: is a directory"));
}

TEST(AtomicFileTest, RejectsAMissingDirectoryByName) {
  const TempDir directory;
  EXPECT_THAT(AtomicFile::create(directory.file("missing/x"), ExistingTarget::kRefuse),
              Fails(ErrorCode::kIo, "missing: open directory failed: No such file or directory"));
}

TEST(AtomicFileTest, RejectsPathsThatNameNoFile) {
  for (const char* path : {"", "/", "a/", ".", ".."}) {
    EXPECT_THAT(AtomicFile::create(path, ExistingTarget::kRefuse),
                Fails(ErrorCode::kInvalidArgument, "names no file"))
        << path;
  }
}

TEST(AtomicFileTest, WritesNamesOfTheLargestSize) {
  const TempDir directory;
  const std::string name(255, 'n');
  ASSERT_OK_AND_ASSIGN(AtomicFile atomic,
                       AtomicFile::create(directory.file(name), ExistingTarget::kRefuse));
  ASSERT_THAT(atomic.commit(), IsOk());
  EXPECT_THAT(names_in(directory), ElementsAre(name));
}

TEST(AtomicFileTest, SweepsDeadWritersAndSparesLiveOnes) {
  const TempDir directory;
  const std::string dead = directory.write(".x.wpack-tmp-0123456789abcdef", "left");
  (void)directory.write(".y.wpack-tmp-0123456789abcdef", "of another target");
  (void)directory.write(".x.wpack-tmp-notes", "of somebody else");
  ASSERT_OK_AND_ASSIGN(const AtomicFile live,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  EXPECT_THAT(live.swept(), ElementsAre(".x.wpack-tmp-0123456789abcdef"));
  EXPECT_FALSE(std::filesystem::exists(dead));
  ASSERT_OK_AND_ASSIGN(const AtomicFile second,
                       AtomicFile::create(directory.file("x"), ExistingTarget::kRefuse));
  EXPECT_THAT(second.swept(), IsEmpty());
  EXPECT_EQ(names_in(directory).size(), 4U);
}

TEST(AtomicFileTest, CutsLongNamesBetweenCharacters) {
  const TempDir directory;
  std::string name;
  while (name.size() < 254) name += "\u00e9";
  ASSERT_OK_AND_ASSIGN(const AtomicFile atomic,
                       AtomicFile::create(directory.file(name), ExistingTarget::kRefuse));
  ASSERT_EQ(names_in(directory).size(), 1U);
  EXPECT_TRUE(base::is_utf8(names_in(directory).front())) << names_in(directory).front();
}

TEST(RenameByLinkingTest, MovesAFileAndRefusesAnExistingName) {
  const TempDir directory;
  (void)directory.write("from", "new");
  ASSERT_OK_AND_ASSIGN(const UniqueFd fd, open_directory(directory.path().string()));
  EXPECT_EQ(rename_by_linking(fd, "from", "to"), 0);
  EXPECT_THAT(names_in(directory), ElementsAre("to"));
  (void)directory.write("from", "newer");
  EXPECT_EQ(rename_by_linking(fd, "from", "to"), EEXIST);
  EXPECT_EQ(testing::read_file(directory.file("to")), "new");
  EXPECT_EQ(rename_by_linking(fd, "missing", "other"), ENOENT);
}

}  // namespace
}  // namespace wpack::os
