#include "import/torch/zip_archive.h"

#include <gtest/gtest.h>

#include <functional>

#include "refusals/tables.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "support/zip_builder.h"

namespace wpack::import {
namespace {

using refusals::two_members;
using testing::Fails;
using testing::IsOk;
using testing::ZipBuilder;

Result<ZipArchive> open(const std::string& contents, MemoryMeter meter = MemoryMeter()) {
  const testing::TempDir directory;
  WPACK_ASSIGN(const os::File file, os::File::open_read(directory.write("a.zip", contents)));
  return ZipArchive::open(file, contents.size(), meter);
}

TEST(ZipArchiveTest, ReadsMembersInTheOrderOfTheirPlace) {
  ASSERT_OK_AND_ASSIGN(const ZipArchive archive, open(two_members().build()));
  ASSERT_EQ(archive.members().size(), 2U);
  EXPECT_TRUE(archive.has_top_folder());
  EXPECT_EQ(archive.members()[0].name, "a");
  EXPECT_EQ(archive.members()[0].data_begin, 33U);
  EXPECT_EQ(archive.members()[1].size, 100U);
  EXPECT_EQ(archive.find("b"), &archive.members()[1]);
  EXPECT_EQ(archive.find("c"), nullptr);
}

struct Accepted {
  const char* what;
  std::function<void(ZipBuilder&)> change;
};

TEST(ZipArchiveTest, ReadsWhatRealWritersWrite) {
  const Accepted cases[] = {
      {"zip64 end records", [](ZipBuilder& zip) { zip.zip64_end = true; }},
      {"zip64 members", [](ZipBuilder& zip) { zip.entries[1].zip64 = true; }},
      {"a comment", [](ZipBuilder& zip) { zip.comment = "made by hand"; }},
      {"a directory", [](ZipBuilder& zip) { zip.add("m/d/", ""); }},
      {"the top folder itself", [](ZipBuilder& zip) { zip.add("m/", ""); }},
      {"padding between members", [](ZipBuilder& zip) { zip.entries[0].padding = "  "; }},
      {"deflated members", [](ZipBuilder& zip) { zip.entries[1].deflate = true; }},
      {"UTF-8 names", [](ZipBuilder& zip) { zip.entries[0].flags = 0x0800; }},
      {"extra fields", [](ZipBuilder& zip) { zip.entries[0].local_extra.assign("FB\2\0zz", 6); }},
      {"another folder",
       [](ZipBuilder& zip) {
         zip.entries[0].name = "my..model/a";
         zip.entries[1].name = "my..model/b";
       }},
  };
  for (const Accepted& accepted : cases) {
    SCOPED_TRACE(accepted.what);
    ZipBuilder zip = two_members();
    accepted.change(zip);
    const auto archive = open(zip.build());
    ASSERT_THAT(archive, IsOk());
    EXPECT_EQ(archive->members().size(), 2U);
    EXPECT_NE(archive->find("b"), nullptr);
  }
}

TEST(ZipArchiveTest, ReadsMembersWithoutOneFolder) {
  ZipBuilder zip;
  zip.add("m/a", "1");
  zip.add("n/b", "2");
  ASSERT_OK_AND_ASSIGN(const ZipArchive archive, open(zip.build()));
  EXPECT_FALSE(archive.has_top_folder());
  EXPECT_NE(archive.find("n/b"), nullptr);
}

TEST(ZipArchiveTest, RejectsArchivesThatReadersCouldReadDifferently) {
  for (const refusals::BadArchive& bad : refusals::bad_zips()) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip = two_members();
    bad.change(zip);
    EXPECT_THAT(open(zip.build()), Fails(bad.code, bad.part));
  }
}

TEST(ZipArchiveTest, RejectsFilesWithoutEndRecord) {
  EXPECT_THAT(open(""), Fails(ErrorCode::kBadInput, "too short"));
  EXPECT_THAT(open("PK\x03\x04"), Fails(ErrorCode::kBadInput, "too short"));
  EXPECT_THAT(open(std::string(100'000, 'x')), Fails(ErrorCode::kBadInput, "no end record"));
}

TEST(ZipArchiveTest, RejectsDirectoriesLargerThanTheBudget) {
  EXPECT_THAT(open(two_members().build(), MemoryMeter(64)),
              Fails(ErrorCode::kLimit, "metadata takes more than"));
}

TEST(ZipArchiveTest, ReadsManyMembersOfAllSizes) {
  ZipBuilder zip;
  for (std::size_t i = 0; i < 3000; ++i)
    zip.add("m/" + std::to_string(i), std::string(i % 7 == 0 ? 70'000 : i % 50, 'x'));
  ASSERT_OK_AND_ASSIGN(const ZipArchive archive, open(zip.build()));
  EXPECT_EQ(archive.find("2999")->size, 2999U % 50);
  EXPECT_EQ(archive.find("700")->size, 70'000U);
}

}  // namespace
}  // namespace wpack::import
