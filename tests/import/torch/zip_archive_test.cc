#include "import/torch/zip_archive.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "support/zip_builder.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::ZipBuilder;

// Two members in one folder, written without and with a data descriptor.
ZipBuilder two_members() {
  ZipBuilder zip;
  zip.add("m/a", "first");
  zip.add("m/b", std::string(100, 'b')).descriptor = true;
  return zip;
}

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

struct Refused {
  const char* what;
  std::function<void(ZipBuilder&)> change;
  const char* part;
  ErrorCode code = ErrorCode::kBadInput;
};

const Refused kRefused[] = {
    {"no members", [](ZipBuilder& zip) { zip.entries.clear(); }, "no members"},
    {"a prefix", [](ZipBuilder& zip) { zip.prefix = "#!/bin/sh\n"; }, "before its first member"},
    {"a tail", [](ZipBuilder& zip) { zip.suffix = "x"; }, "not at the end"},
    {"a gap before the end", [](ZipBuilder& zip) { zip.gap = "x"; }, "does not end where"},
    {"a second volume", [](ZipBuilder& zip) { zip.disk = 1; }, "several volumes"},
    {"a member on another volume", [](ZipBuilder& zip) { zip.entries[0].disk = 1; },
     "several volumes"},
    {"too many entries", [](ZipBuilder& zip) { zip.entry_count = 3; }, "too short for its entries"},
    {"too few entries", [](ZipBuilder& zip) { zip.entry_count = 1; }, "longer than its entries"},
    {"a directory outside", [](ZipBuilder& zip) { zip.directory_offset = 0xFFFFFF00; },
     "does not end where"},
    {"a huge directory", [](ZipBuilder& zip) { zip.directory_size = 0xFFFFFFF0; },
     "does not end where"},
    {"two end records that disagree",
     [](ZipBuilder& zip) {
       zip.zip64_end = true;
       zip.end64_entry_count = 1;
     },
     "two end records disagree"},
    {"a zip64 record elsewhere",
     [](ZipBuilder& zip) {
       zip.zip64_end = true;
       zip.end64_offset = 0;
     },
     "wrong signature"},
    {"a zip64 record outside",
     [](ZipBuilder& zip) {
       zip.zip64_end = true;
       zip.end64_offset = ~std::uint64_t{0} - 3;
     },
     "outside the file"},
    {"a zip64 record of a wrong size",
     [](ZipBuilder& zip) {
       zip.zip64_end = true;
       zip.end64_size = 1000;
     },
     "wrong size"},
    {"duplicate names", [](ZipBuilder& zip) { zip.entries[1].name = "m/a"; },
     "two members are called 'a'"},
    {"an encrypted member", [](ZipBuilder& zip) { zip.entries[1].flags = 1; }, "is encrypted"},
    {"odd flags", [](ZipBuilder& zip) { zip.entries[1].flags = 0x2000; }, "unsupported flags"},
    {"an unknown method", [](ZipBuilder& zip) { zip.entries[1].method = 12; },
     "compression method 12"},
    {"two methods", [](ZipBuilder& zip) { zip.entries[0].local_method = 8; },
     "another compression method"},
    {"two names", [](ZipBuilder& zip) { zip.entries[0].local_name = "m/z"; }, "another name"},
    {"two names of different length", [](ZipBuilder& zip) { zip.entries[0].local_name = "m/zz"; },
     "another name"},
    {"two sizes", [](ZipBuilder& zip) { zip.entries[0].local_size = 4; }, "another size or CRC"},
    {"two CRCs", [](ZipBuilder& zip) { zip.entries[0].local_crc = 4; }, "another size or CRC"},
    {"stored with different sizes", [](ZipBuilder& zip) { zip.entries[0].size = 6; },
     "two sizes differ"},
    {"a member past the directory",
     [](ZipBuilder& zip) {
       zip.entries[1].size = 5000;
       zip.entries[1].stored_size = 5000;
     },
     "overlaps"},
    {"a member into the next one",
     [](ZipBuilder& zip) {
       zip.entries[0].size = 6;
       zip.entries[0].stored_size = 6;
       zip.entries[0].local_size = 6;
     },
     "overlaps"},
    {"two members in one place",
     [](ZipBuilder& zip) {
       zip.entries[1].header_offset = 0;
       zip.entries[1].local_name = "m/b";
     },
     "overlaps"},
    {"a size that wraps around",
     [](ZipBuilder& zip) {
       zip.entries[1].zip64 = true;
       zip.entries[1].size = ~std::uint64_t{0};
       zip.entries[1].stored_size = ~std::uint64_t{0};
     },
     "overlaps"},
    {"an offset outside",
     [](ZipBuilder& zip) {
       zip.entries[1].zip64 = true;
       zip.entries[1].header_offset = ~std::uint64_t{0} - 7;
     },
     "outside the file"},
    {"no local header", [](ZipBuilder& zip) { zip.entries[1].local_signature = 0; },
     "no local header"},
    {"an empty name", [](ZipBuilder& zip) { zip.entries[0].name = ""; }, "empty name"},
    {"a parent directory", [](ZipBuilder& zip) { zip.entries[0].name = "m/../a"; }, "unsafe name"},
    {"an absolute name", [](ZipBuilder& zip) { zip.entries[0].name = "/m/a"; }, "unsafe name"},
    {"a backslash", [](ZipBuilder& zip) { zip.entries[0].name = "m\\a"; }, "unsafe name"},
    {"a NUL", [](ZipBuilder& zip) { zip.entries[0].name = std::string("m/\0a", 4); },
     "unsafe name"},
    {"a directory with bytes", [](ZipBuilder& zip) { zip.entries[0].name = "m/a/"; },
     "is a directory that holds bytes"},
    {"an extra field that overruns",
     [](ZipBuilder& zip) { zip.entries[0].central_extra.assign("\1\0\xFF\0", 4); },
     "malformed extra field"},
    {"two zip64 fields",
     [](ZipBuilder& zip) {
       zip.entries[0].zip64 = true;
       zip.entries[0].central_extra.assign("\1\0\0\0", 4);
     },
     "malformed extra field"},
};

TEST(ZipArchiveTest, RejectsArchivesThatReadersCouldReadDifferently) {
  for (const Refused& refused : kRefused) {
    SCOPED_TRACE(refused.what);
    ZipBuilder zip = two_members();
    refused.change(zip);
    EXPECT_THAT(open(zip.build()), Fails(refused.code, refused.part));
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
