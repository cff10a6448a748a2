// The model itself: what it lets a power cut take, and what not.
#include "crash/disk_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace wpack::crash {
namespace {

using ::testing::Contains;
using ::testing::Not;
using ::testing::UnorderedElementsAre;
using Kind = Change::Kind;

std::set<Tree> states(const DiskModel& disk, const std::string& name) {
  std::set<Tree> seen;
  disk.for_each_state(name,
                      [&](const Tree& part, const std::string& /*how*/) { seen.insert(part); });
  return seen;
}

void apply(DiskModel& disk, const std::vector<Change>& changes) {
  for (const Change& change : changes) disk.apply(change);
}

TEST(DiskModelTest, KeepsWhatWasThere) {
  const Tree before = {{"x", "old"}, {"d", "<directory>"}, {"d/y", "old"}};
  EXPECT_THAT(states(DiskModel(before), "x"), UnorderedElementsAre(Tree{{"x", "old"}}));
  EXPECT_THAT(states(DiskModel(before), "d"),
              UnorderedElementsAre(Tree{{"d", "<directory>"}, {"d/y", "old"}}));
  EXPECT_THAT(states(DiskModel(before), "none"), UnorderedElementsAre(Tree{}));
}

TEST(DiskModelTest, MayLoseANameWhoseDirectoryWasNotSynced) {
  DiskModel disk{Tree{}};
  apply(disk, {{.kind = Kind::kCreateFile, .path = "x"},
               {.kind = Kind::kWrite, .path = "x", .data = "new"},
               {.kind = Kind::kSync, .path = "x"}});
  EXPECT_THAT(states(disk, "x"), UnorderedElementsAre(Tree{}, Tree{{"x", "new"}}));
  disk.apply({.kind = Kind::kSync, .path = ""});
  EXPECT_THAT(states(disk, "x"), UnorderedElementsAre(Tree{{"x", "new"}}));
}

TEST(DiskModelTest, MayLoseDataThatWasNotSyncedInEveryWay) {
  DiskModel disk{Tree{{"x", "old"}}};
  apply(disk, {{.kind = Kind::kWrite, .path = "x", .number = 0, .data = "ABC"},
               {.kind = Kind::kWrite, .path = "x", .number = 3, .data = "DEF"}});
  EXPECT_THAT(states(disk, "x"), UnorderedElementsAre(Tree{{"x", "ABCDEF"}}, Tree{{"x", "old"}},
                                                      Tree{{"x", std::string("old\0\0\0", 6)}},
                                                      Tree{{"x", "ABC"}}, Tree{{"x", "oldDEF"}}));
}

TEST(DiskModelTest, MayPersistARenameBeforeTheDataItPublishes) {
  DiskModel disk{Tree{{"x", "old"}}};
  apply(disk, {{.kind = Kind::kCreateFile, .path = "t"},
               {.kind = Kind::kWrite, .path = "t", .data = "new"},
               {.kind = Kind::kRename, .path = "t", .second_path = "x"}});
  EXPECT_THAT(states(disk, "x"), Contains(Tree{{"x", ""}}));
  EXPECT_THAT(states(disk, "x"), Contains(Tree{{"x", "old"}}));
}

TEST(DiskModelTest, ExchangesTwoDirectoriesAtOnceOrNotAtAll) {
  const Tree before = {{"a", "<directory>"}, {"a/f", "1"}, {"b", "<directory>"}, {"b/f", "2"}};
  DiskModel disk{before};
  disk.apply({.kind = Kind::kExchange, .path = "a", .second_path = "b"});
  EXPECT_THAT(states(disk, "a"), UnorderedElementsAre(Tree{{"a", "<directory>"}, {"a/f", "1"}},
                                                      Tree{{"a", "<directory>"}, {"a/f", "2"}}));
  // What is removed from the old one may go before the exchange is on the disk.
  disk.apply({.kind = Kind::kRemove, .path = "a/f"});
  EXPECT_THAT(states(disk, "b"), Contains(Tree{{"b", "<directory>"}}));
  disk.apply({.kind = Kind::kSync, .path = ""});
  EXPECT_THAT(states(disk, "b"), UnorderedElementsAre(Tree{{"b", "<directory>"}, {"b/f", "1"}}));
}

TEST(DiskModelTest, RefusesCallsThatItDoesNotKnow) {
  SystemCall call{.name = "copy_file_range", .path = "/folder/x"};
  EXPECT_THROW((void)changes_of({call}, "/folder"), std::runtime_error);
  call = {.name = "openat", .arguments = {0, 0, 0100}, .path = "/folder/x"};
  EXPECT_THROW((void)changes_of({call}, "/folder"), std::runtime_error);
  call = {.name = "unlinkat", .path = "/elsewhere/x"};
  EXPECT_THROW((void)changes_of({call}, "/folder"), std::runtime_error);
}

}  // namespace
}  // namespace wpack::crash
