// Threads that work ahead: on a mapped shard that is gone through, and on memory that is filled.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <numeric>
#include <vector>

#include "load/engine_policy.h"
#include "load/fault_ahead.h"
#include "load/read_in_ahead.h"
#include "os/anonymous_memory.h"
#include "os/file.h"
#include "support/page_cache.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::load {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

constexpr std::uint64_t kFileSize = 5 * kReadInPieceSize + 12'345;

class ReadInAheadTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  void SetUp() override {
    std::string text(kFileSize, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i % 251);
    path_ = directory_.write("shard", text);
    ASSERT_OK_AND_ASSIGN(file_, os::File::open_read(path_));
    ASSERT_OK_AND_ASSIGN(region_, os::MappedRegion::map(file_.fd(), kFileSize));
    if (!os::MappedRegion::can_populate()) GTEST_SKIP() << "this kernel has no MADV_POPULATE_READ";
    (void)testing::drop_from_page_cache(path_);
  }
  [[nodiscard]] bool is_right(ByteRange range) const {
    for (std::uint64_t i = range.begin; i < range.end; ++i) {
      if (region_.bytes()[i] != static_cast<std::byte>(i % 251)) return false;
    }
    return true;
  }

  TempDir directory_;
  std::string path_;
  os::File file_;
  os::MappedRegion region_;
  AccessCounters counters_;
};

INSTANTIATE_TEST_SUITE_P(Threads, ReadInAheadTest, ::testing::Values(0, 1, 2, 5));

TEST_P(ReadInAheadTest, BringsInWhatIsWaitedForFromFrontToBack) {
  ReadInAhead ahead(region_, GetParam(), counters_);
  for (std::uint64_t at = 0; at < kFileSize; at += 1'000'000) {
    const ByteRange range{at, std::min(at + 1'000'000, kFileSize)};
    ASSERT_THAT(ahead.wait_for(range), IsOk());
    ASSERT_TRUE(is_right(range)) << "at offset " << at;
  }
}

TEST_P(ReadInAheadTest, GoesOnWhereSomeIsLeftOutAndWhereSomeIsWantedAgain) {
  ReadInAhead ahead(region_, GetParam(), counters_);
  for (const std::uint64_t piece : {std::uint64_t{4}, std::uint64_t{1}, std::uint64_t{5}}) {
    const std::uint64_t begin = piece * kReadInPieceSize;
    const ByteRange range{begin, std::min(begin + kReadInPieceSize + 1, kFileSize)};
    ASSERT_THAT(ahead.wait_for(range), IsOk());
    EXPECT_TRUE(is_right(range));
  }
}

TEST_P(ReadInAheadTest, ReportsAPageThatWasThereAndIsGone) {
  ReadInAhead ahead(region_, GetParam(), counters_);
  for (std::uint64_t at = 0; at < kFileSize; at += kReadInPieceSize)
    ASSERT_THAT(ahead.wait_for({at, at + 1}), IsOk());
  std::filesystem::resize_file(path_, kReadInPieceSize);
  EXPECT_THAT(ahead.wait_for({2 * kReadInPieceSize, 2 * kReadInPieceSize + 1}),
              Fails(ErrorCode::kIo, "at offset 16777216"));
}

TEST_P(ReadInAheadTest, EndsAtOnceThoughLittleWasWaitedFor) {
  ReadInAhead ahead(region_, GetParam(), counters_);
  EXPECT_THAT(ahead.wait_for({0, 1}), IsOk());
}

TEST_P(ReadInAheadTest, ReportsAPageThatCannotBeRead) {
  std::filesystem::resize_file(path_, 3 * kReadInPieceSize);
  ReadInAhead ahead(region_, GetParam(), counters_);
  EXPECT_THAT(ahead.wait_for({0, 3 * kReadInPieceSize}), IsOk());
  EXPECT_THAT(ahead.wait_for({3 * kReadInPieceSize, 3 * kReadInPieceSize + 1}),
              Fails(ErrorCode::kIo, "at offset 25165824"));
}

// Counts the threads that tell of their work.
class ThreadCount final : public Tracer {
 public:
  void record(const TraceEvent& event) noexcept override {
    if (event.name == "fault memory in") ++count_;
  }
  [[nodiscard]] int count() const noexcept { return count_; }

 private:
  std::atomic<int> count_{0};
};

class FaultAheadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(memory_, os::map_anonymous(kSize));
    counters_.tracer = threads_;
  }
  void TearDown() override { os::unmap_anonymous(memory_); }

  static constexpr std::uint64_t kSize = std::uint64_t{64} << 20;
  MutableBytes memory_;
  AccessCounters counters_;
  std::shared_ptr<ThreadCount> threads_ = std::make_shared<ThreadCount>();
};

TEST_F(FaultAheadTest, LeavesToTheMemoryWhatItsOwnerWrites) {
  {
    const FaultAhead ahead({memory_.first(kSize / 2), memory_.subspan(kSize / 2)}, 2, counters_);
    for (std::size_t i = 0; i < memory_.size(); ++i) memory_[i] = static_cast<std::byte>(i % 253);
  }
  EXPECT_EQ(threads_->count(), 2);
  for (std::size_t i = 0; i < memory_.size(); ++i)
    ASSERT_EQ(memory_[i], static_cast<std::byte>(i % 253)) << "at byte " << i;
}

TEST_F(FaultAheadTest, EndsAtOnceThoughNothingWasFilled) {
  for (int i = 0; i < 20; ++i) const FaultAhead ahead({memory_}, 3, counters_);
}

TEST_F(FaultAheadTest, StartsNoThreadForMemoryThatWasUsedBefore) {
  std::ranges::fill(memory_, std::byte{1});
  { const FaultAhead ahead({memory_}, 2, counters_); }
  EXPECT_EQ(threads_->count(), 0);
}

TEST_F(FaultAheadTest, StartsNoThreadForLittleMemory) {
  { const FaultAhead ahead({memory_.first(1 << 20)}, 2, counters_); }
  { const FaultAhead ahead({}, 2, counters_); }
  EXPECT_EQ(threads_->count(), 0);
}

}  // namespace
}  // namespace wpack::load
