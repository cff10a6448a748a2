// The whole measurement, on a file that is all hole. Nothing here asserts what it measured.
#include "tune/rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/file_facts.h"
#include "os/host_facts.h"
#include "support/faulty_reader.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "tune/cold_windows.h"
#include "tune/shapes.h"

namespace wpack::tuning {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using testing::Fails;
using testing::FaultyReader;
using ::testing::Field;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::TempDir;

Result<std::unique_ptr<AsyncReader>> make_pread(const ReadChoice& choice) {
  return make_pread_reader(choice.depth, choice.direct);
}

class RoundsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::resize_file(path_, kSmallestFile);
    const os::SystemFiles files;
    ASSERT_OK_AND_ASSIGN(facts_.file, os::path_facts(files, path_));
    facts_.host = os::host_facts(files);
    facts_.host.engines = {{"pread", std::nullopt}};
    if (facts_.file.file_system->kind == FileSystemKind::kMemory)
      GTEST_SKIP() << "temporary files are in memory";
  }

  TempDir directory_;
  std::string path_ = directory_.write("data", "");
  HostReport facts_;
  TuneOptions options_ = {.seconds = 0.3};
};

TEST_F(RoundsTest, MakeAProfileOfThePlaceWhereTheyWereMeasured) {
  ASSERT_OK_AND_ASSIGN(const TuneReport report, measure(facts_, make_pread, options_));
  EXPECT_THAT(matches(report.profile, facts_.host, facts_.file), IsOk());
  EXPECT_EQ(parse_read_profile(to_json(report.profile)).value(), report.profile);
  EXPECT_TRUE(report.profile.first_touch.small_pages.has_value());
  EXPECT_TRUE(report.profile.first_touch.huge_pages.has_value());
  EXPECT_GT(report.read_bytes, 0U);
  EXPECT_EQ(report.profile.buffered, report.buffered.choice.shape);
  if (facts_.file.direct_alignment) {
    EXPECT_EQ(report.profile.direct, report.direct.choice.shape);
    EXPECT_FALSE(report.direct.measured.empty());
  }
}

TEST_F(RoundsTest, EndTheirProgressAtTheTotal) {
  Progress last;
  options_.progress = [&](const Progress& progress) {
    EXPECT_GE(progress.done_bytes, last.done_bytes);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    last = progress;
    return true;
  };
  ASSERT_OK_AND_ASSIGN(const TuneReport report, measure(facts_, make_pread, options_));
  EXPECT_EQ(last.done_bytes, report.read_bytes);
  EXPECT_EQ(last.total_bytes, report.read_bytes);
}

TEST_F(RoundsTest, AreCancelledAtAnyMoment) {
  for (const int calls : {1, 2, 20}) {
    int asked = 0;
    options_.progress = [&](const Progress&) { return ++asked < calls; };
    EXPECT_THAT(measure(facts_, make_pread, options_), Fails(ErrorCode::kCancelled, "cancelled"));
    EXPECT_EQ(asked, calls);
  }
}

TEST_F(RoundsTest, FailWithTheFileWhereAReadFails) {
  const auto make_faulty = [](const ReadChoice& choice) -> Result<std::unique_ptr<AsyncReader>> {
    WPACK_ASSIGN(auto reader, make_pread_reader(choice.depth, choice.direct));
    return std::make_unique<FaultyReader>(std::move(reader), testing::Faults{.io_error_at = 3});
  };
  options_.seconds = kMaxTuneSeconds;  // it ends with the first shape that reads so often
  EXPECT_THAT(measure(facts_, make_faulty, options_), Fails(ErrorCode::kIo, path_));
}

TEST_F(RoundsTest, LeaveOutWhatCannotBeMade) {
  const auto refuse = [](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
    return Error(ErrorCode::kLimit, "no threads are left");
  };
  ASSERT_OK_AND_ASSIGN(const TuneReport report, measure(facts_, refuse, options_));
  EXPECT_THAT(report.skipped, Contains(Field(&Refusal::reason, "no threads are left")));
  EXPECT_EQ(report.profile.direct, std::nullopt);
  EXPECT_EQ(report.profile.buffered, std::nullopt);
  EXPECT_EQ(report.buffered.choice.outcome, TuneOutcome::kNotMeasured);
  EXPECT_EQ(report.read_bytes, 0U);
}

TEST_F(RoundsTest, MeasureFreshMemoryWhereThereIsNothingToRead) {
  facts_.file.size = 10;
  ASSERT_OK_AND_ASSIGN(const TuneReport report, measure(facts_, make_pread, options_));
  EXPECT_TRUE(report.profile.first_touch.small_pages.has_value());
  EXPECT_EQ(report.profile.buffered, std::nullopt);
  EXPECT_THAT(report.skipped, Contains(Field(&Refusal::what, "buffered reads")));
}

TEST_F(RoundsTest, RefuseAPlaceThatNoProfileCouldBeFoundBy) {
  HostReport unknown = facts_;
  unknown.host.kernel = not_looked_at();
  EXPECT_THAT(measure(unknown, make_pread, options_),
              Fails(ErrorCode::kUnsupportedHost, "nobody has looked"));
  unknown = facts_;
  unknown.file.file_system = not_looked_at();
  EXPECT_FALSE(measure(unknown, make_pread, options_).has_value());
  unknown = facts_;
  unknown.file.device_number = not_looked_at();
  EXPECT_FALSE(measure(unknown, make_pread, options_).has_value());
}

TEST_F(RoundsTest, RefuseAFileThatIsGoneOrSmallerNow) {
  std::filesystem::resize_file(path_, 4096);
  EXPECT_THAT(measure(facts_, make_pread, options_), Fails(ErrorCode::kIo, "became smaller"));
  std::filesystem::remove(path_);
  EXPECT_THAT(measure(facts_, make_pread, options_), Fails(ErrorCode::kIo, "No such file"));
}

TEST_F(RoundsTest, WindowsFollowEachOtherAndBeginAgainAtTheFront) {
  ASSERT_OK_AND_ASSIGN(const os::File file, os::File::open_read(path_));
  Windows windows(file, 100 << 10);
  EXPECT_EQ(windows.next(40 << 10), (ByteRange{0, 40 << 10}));
  windows.read_up_to(40 << 10);
  EXPECT_EQ(windows.next(40 << 10), (ByteRange{40 << 10, 80 << 10}));
  windows.read_up_to(80 << 10);
  EXPECT_EQ(windows.next(40 << 10), (ByteRange{80 << 10, 100 << 10})) << "the rest of the file";
  windows.read_up_to(92 << 10);
  EXPECT_EQ(windows.next(40 << 10), (ByteRange{0, 40 << 10})) << "not what is hardly there";
  EXPECT_EQ(windows.next(1 << 20), (ByteRange{0, 100 << 10})) << "no larger than the file";
}

TEST_F(RoundsTest, WindowsThatStayInThePageCacheAreRefused) {
  ASSERT_OK_AND_ASSIGN(const os::File file, os::File::open_read(path_));
  Windows windows(file, kSmallestFile);
  const auto cold = windows.next_cold(1 << 20);
  if (!cold) GTEST_SKIP() << cold.error().message();
  const TempDir memory = TempDir::in_memory();
  const std::string stays = memory.write("data", std::string(1 << 20, 'x'));
  ASSERT_OK_AND_ASSIGN(const os::File in_memory, os::File::open_read(stays));
  ASSERT_OK_AND_ASSIGN(const FileFacts facts, os::path_facts(os::SystemFiles(), stays));
  if (facts.file_system->kind != FileSystemKind::kMemory) GTEST_SKIP() << "there is no tmpfs";
  EXPECT_THAT(Windows(in_memory, 1 << 20).next_cold(1 << 20),
              Fails(ErrorCode::kUnsupportedHost, "stay in the page cache"));
}

}  // namespace
}  // namespace wpack::tuning
