#include "import/torch/member_reader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "support/zip_builder.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::ZipBuilder;
using testing::ZipEntry;

constexpr std::uint64_t kBudget = std::uint64_t{1} << 20;

// An archive on disk, opened.
class Opened {
 public:
  explicit Opened(const ZipBuilder& zip, std::uint64_t budget = kBudget)
      : Opened(zip, budget, std::make_shared<InflateWork>(budget)) {}
  Opened(const ZipBuilder& zip, std::uint64_t budget, std::shared_ptr<InflateWork> work)
      : path_(directory_.write("a.zip", zip.build())),
        file_(*os::File::open_read(path_)),
        work_(std::move(work)) {
    MemoryMeter meter;
    const os::FileIdentity identity = *file_.identity();
    archive_.emplace(*ZipArchive::open(file_, identity.size, meter));
    reader_.emplace(file_, *archive_, identity, budget, *work_);
  }

  MemberReader& reader() { return *reader_; }
  const ZipMember& member(std::string_view name) { return *archive_->find(name); }
  const std::string& path() { return path_; }

  Result<std::string> read(std::string_view name, std::uint64_t offset, std::size_t size) {
    std::string out(size, '\0');
    WPACK_TRY(reader_->read(member(name), offset, std::as_writable_bytes(std::span(out))));
    return out;
  }

 private:
  testing::TempDir directory_;
  std::string path_;
  os::File file_;
  std::shared_ptr<InflateWork> work_;
  std::optional<ZipArchive> archive_;
  std::optional<MemberReader> reader_;
};

std::string pattern(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i * 7 + i / 256);
  return out;
}

ZipBuilder one_member(bool deflate) {
  ZipBuilder zip;
  zip.add("m/x", pattern(5000)).deflate = deflate;
  return zip;
}

TEST(MemberReaderTest, ReadsAnyRangeInAnyOrder) {
  for (const bool deflate : {false, true}) {
    Opened opened(one_member(deflate));
    const std::string all = pattern(5000);
    for (const auto& [offset, size] :
         {std::pair{4000, 1000}, {0, 10}, {5, 20}, {0, 5000}, {4999, 1}, {2500, 0}}) {
      const auto at = static_cast<std::size_t>(offset);
      const auto count = static_cast<std::size_t>(size);
      EXPECT_THAT(opened.read("x", at, count), IsOk());
      EXPECT_EQ(*opened.read("x", at, count), all.substr(at, count));
    }
    EXPECT_THAT(opened.reader().finish({}), IsOk());
  }
}

TEST(MemberReaderTest, RejectsRangesOutsideTheMember) {
  for (const bool deflate : {false, true}) {
    Opened opened(one_member(deflate));
    EXPECT_THAT(opened.read("x", 4990, 11), Fails(ErrorCode::kInvalidArgument, "not in member"));
  }
}

TEST(MemberReaderTest, RejectsDamageWhenTheLastByteIsRead) {
  ZipBuilder zip = one_member(false);
  zip.entries[0].descriptor = true;
  zip.entries[0].crc = 0x12345678;
  Opened opened(zip);
  EXPECT_THAT(opened.read("x", 0, 4999), IsOk());
  EXPECT_THAT(opened.read("x", 4999, 1), Fails(ErrorCode::kIntegrity, "the archive says 12345678"));
}

TEST(MemberReaderTest, RejectsDamageOfBytesThatNobodyRead) {
  for (const bool deflate : {false, true}) {
    ZipBuilder zip = one_member(deflate);
    zip.entries[0].descriptor = true;
    zip.entries[0].crc = 0x12345678;
    Opened opened(zip);
    EXPECT_THAT(opened.reader().finish({}), Fails(ErrorCode::kIntegrity, "CRC-32"));
  }
}

TEST(MemberReaderTest, StopsReadingWhatNobodyReadWhenItIsCancelled) {
  for (const bool deflate : {false, true}) {
    ZipBuilder zip;
    for (const char* name : {"m/x", "m/y", "m/z"})
      zip.add(name, pattern(std::size_t{3} << 20)).deflate = deflate;
    Opened opened(zip, std::size_t{8} << 20);
    int asked = 0;
    EXPECT_THAT(opened.reader().finish([&] { return ++asked < 2; }),
                Fails(ErrorCode::kCancelled, ": cancelled"));
    EXPECT_EQ(asked, 2);
  }
}

TEST(MemberReaderTest, RejectsDamageOfBytesReadOutOfOrder) {
  ZipBuilder zip = one_member(false);
  zip.entries[0].descriptor = true;
  zip.entries[0].crc = 1;
  Opened opened(zip);
  EXPECT_THAT(opened.read("x", 1000, 4000), IsOk());
  EXPECT_THAT(opened.read("x", 0, 900), IsOk());
  EXPECT_THAT(opened.reader().finish({}), Fails(ErrorCode::kIntegrity, "CRC-32"));
}

TEST(MemberReaderTest, RejectsAnEmptyMemberWithAChecksum) {
  ZipBuilder zip = one_member(false);
  zip.add("m/empty", "").descriptor = true;
  zip.entries[1].crc = 5;
  Opened opened(zip);
  EXPECT_THAT(opened.reader().finish({}), Fails(ErrorCode::kIntegrity, "is empty"));
}

TEST(MemberReaderTest, ReadsArchivesWithoutChecksums) {
  ZipBuilder zip = one_member(false);
  zip.entries[0].descriptor = true;
  zip.entries[0].crc = 0;
  Opened opened(zip);
  EXPECT_TRUE(opened.reader().unchecked());
  EXPECT_THAT(opened.read("x", 0, 5000), IsOk());
  EXPECT_THAT(opened.reader().finish({}), IsOk());
}

TEST(MemberReaderTest, RejectsAMissingChecksumAmongOthers) {
  ZipBuilder zip = one_member(false);
  zip.entries[0].descriptor = true;
  zip.entries[0].crc = 0;
  zip.add("m/y", "y");
  Opened opened(zip);
  EXPECT_FALSE(opened.reader().unchecked());
  EXPECT_THAT(opened.reader().finish({}), Fails(ErrorCode::kIntegrity, "says 00000000"));
}

struct BadDeflate {
  const char* what;
  std::string stored;
  std::uint64_t size;
  const char* part;
};

TEST(MemberReaderTest, RejectsDamagedDeflatedData) {
  const std::string good = testing::deflated(pattern(5000));
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 0x55);
  const BadDeflate cases[] = {
      {"garbage", std::string(50, '\xFF'), 5000, "damaged"},
      {"a truncated stream", good.substr(0, good.size() / 2), 5000, "member 'x'"},
      {"bytes behind the stream", good + "xx", 5000, "does not inflate to the 5000 bytes"},
      {"a stream that is too short", good, 5001, "does not inflate to the 5001 bytes"},
      {"a stream that is too long", good, 4999, "does not inflate to the 4999 bytes"},
      {"a flipped byte", flipped, 5000, "member 'x'"},
      {"nothing", "", 5000, "member 'x'"},
  };
  for (const BadDeflate& bad : cases) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip;
    auto& entry = zip.add("m/x", bad.stored);
    entry.method = 8;
    entry.local_method = 8;
    entry.descriptor = true;
    entry.size = bad.size;
    entry.crc = 77;
    Opened opened(zip);
    EXPECT_THAT(opened.read("x", 0, 1), Fails(ErrorCode::kIntegrity, bad.part));
  }
}

TEST(MemberReaderTest, RejectsDeflatedMembersBeyondTheBudget) {
  Opened opened(one_member(true), 5000);
  EXPECT_THAT(opened.reader().check_budget(), Fails(ErrorCode::kLimit, "budget of 5000 bytes"));
  EXPECT_THAT(opened.read("x", 0, 1), Fails(ErrorCode::kLimit, "budget of 5000 bytes"));
}

TEST(MemberReaderTest, RejectsInflatingAgainAndAgain) {
  ZipBuilder zip;
  zip.add("m/x", std::string(4000, 'x')).deflate = true;
  zip.add("m/y", std::string(4000, 'y')).deflate = true;
  Opened opened(zip, 4100);
  EXPECT_THAT(opened.reader().check_budget(), IsOk());
  Status status;
  int reads = 0;
  while (status && reads < 10'000) {
    const auto read = opened.read(reads % 2 == 0 ? "x" : "y", 7, 1);
    if (!read) status = read.error();
    ++reads;
  }
  EXPECT_THAT(status, Fails(ErrorCode::kLimit, "again and again"));
  EXPECT_GT(reads, 128);
  EXPECT_LT(reads, 140);
}

TEST(MemberReaderTest, RejectsMembersThatInflateToMuchMoreTogetherThanTheyAreStoredAs) {
  ZipBuilder zip;
  for (int i = 0; i < 127; ++i) zip.add("m/" + std::to_string(i), std::string(4000, 'x'));
  for (ZipEntry& entry : zip.entries) entry.deflate = true;
  EXPECT_THAT(Opened(zip, 4100).reader().check_budget(), IsOk());
  for (int i = 127; i < 200; ++i)
    zip.add("m/" + std::to_string(i), std::string(4000, 'x')).deflate = true;
  EXPECT_THAT(Opened(zip, 4100).reader().check_budget(),
              Fails(ErrorCode::kLimit, "inflate to more than"));
}

TEST(MemberReaderTest, CountsWhatAllFilesOfASourceInflate) {
  ZipBuilder zip;
  for (int i = 0; i < 100; ++i)
    zip.add("m/" + std::to_string(i), std::string(4000, 'x')).deflate = true;
  const auto work = std::make_shared<InflateWork>(4100);
  Opened first(zip, 4100, work);
  EXPECT_THAT(first.reader().check_budget(), IsOk());
  Opened second(zip, 4100, work);
  EXPECT_THAT(second.reader().check_budget(), Fails(ErrorCode::kLimit, "inflate to more than"));
  EXPECT_THAT(first.reader().finish({}), IsOk());
  EXPECT_THAT(second.reader().finish({}), Fails(ErrorCode::kLimit, "again and again"));
}

TEST(MemberReaderTest, InflatesAgainWhatWasDropped) {
  Opened opened(one_member(true));
  EXPECT_EQ(*opened.read("x", 10, 20), pattern(5000).substr(10, 20));
  opened.reader().drop_caches();
  EXPECT_EQ(*opened.read("x", 10, 20), pattern(5000).substr(10, 20));
}

TEST(MemberReaderTest, KeepsInflatedMembersThatFitTogether) {
  ZipBuilder zip;
  zip.add("m/x", std::string(4000, 'x')).deflate = true;
  zip.add("m/y", std::string(4000, 'y')).deflate = true;
  Opened opened(zip, 9000);
  for (int i = 0; i < 10'000; ++i) ASSERT_THAT(opened.read(i % 2 == 0 ? "x" : "y", 7, 1), IsOk());
}

TEST(MemberReaderTest, CountsWhatKeepingASmallMemberTakes) {
  // Of a thousand members of one byte that are read in turns, the budget keeps about fifty.
  ZipBuilder zip;
  for (int i = 0; i < 1000; ++i) zip.add("m/" + std::to_string(i), "x").deflate = true;
  Opened opened(zip, 8000);
  Status status;
  int reads = 0;
  while (status && reads < 1'000'000) {
    const auto read = opened.read(std::to_string(reads % 1000), 0, 1);
    if (!read) status = read.error();
    ++reads;
  }
  EXPECT_THAT(status, Fails(ErrorCode::kLimit, "again and again"));
}

TEST(MemberReaderTest, CountsTheBytesThatInflateToNothing) {
  // Two members of one byte, each behind empty blocks, that do not fit the budget together.
  ZipBuilder zip;
  std::string blocks;
  for (int i = 0; i < 800; ++i) blocks += std::string("\0\0\0\xFF\xFF", 5);
  for (const char* name : {"m/x", "m/y"}) {
    ZipEntry& entry = zip.add(name, blocks + testing::deflated(std::string(100, 'x')));
    entry.method = 8;
    entry.local_method = 8;
    entry.descriptor = true;
    entry.size = 100;
    entry.crc = 0;
  }
  Opened opened(zip, 4200);
  Status status;
  int reads = 0;
  while (status && reads < 10'000) {
    const auto read = opened.read(reads % 2 == 0 ? "x" : "y", 7, 1);
    if (!read) status = read.error();
    ++reads;
  }
  EXPECT_THAT(status, Fails(ErrorCode::kLimit, "again and again"));
  EXPECT_LT(reads, 200);
}

TEST(MemberReaderTest, RejectsAFileThatChanged) {
  Opened opened(one_member(false));
  EXPECT_THAT(opened.read("x", 0, 5000), IsOk());
  std::ofstream(opened.path(), std::ios::binary | std::ios::app) << "more";
  EXPECT_THAT(opened.reader().finish({}), Fails(ErrorCode::kIo, "changed while it was read"));
}

TEST(MemberReaderTest, RejectsChangedBytesAsAChangeNotAsDamage) {
  Opened opened(one_member(false));
  std::fstream(opened.path(), std::ios::binary | std::ios::in | std::ios::out)
      .seekp(100)
      .write("damage", 6);
  std::filesystem::last_write_time(
      opened.path(), std::filesystem::file_time_type::clock::now() + std::chrono::seconds(10));
  EXPECT_THAT(opened.read("x", 0, 5000), Fails(ErrorCode::kIo, "changed while it was read"));
}

}  // namespace
}  // namespace wpack::import
