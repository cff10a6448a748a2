#include "io/async_reader_conformance.h"

#include <cerrno>
#include <thread>

namespace wpack::testing {
namespace {

TEST_P(AsyncReaderConformanceTest, ReadsEveryRequestExactlyOnceWhateverItsPlace) {
  const std::uint64_t blocks = kFileSize / unit();
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::uint64_t block = i * 7919 % blocks;
    const std::uint64_t size = std::min(1 + i % 9, blocks - block) * unit();
    (void)track(block * unit(), size);
  }
  run_all();
  for (const TrackedRead& read : reads_) expect_contents(read);
}

TEST_P(AsyncReaderConformanceTest, AcceptsNoMoreThanItsLimitAndGoesOnAfterAPoll) {
  const std::uint32_t limit = reader_->limits().max_in_flight;
  for (std::uint32_t i = 0; i < limit + 1; ++i) (void)track(0, unit());
  std::vector<ReadRequest> batch;
  for (std::size_t i = 0; i < reads_.size(); ++i) batch.push_back(request(i));
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit(batch));
  EXPECT_GE(accepted, 1U);
  EXPECT_LE(accepted, limit);
  std::size_t open = accepted - drain(1);
  ASSERT_OK_AND_ASSIGN(const std::size_t more,
                       reader_->submit(std::span(batch).subspan(accepted, 1)));
  EXPECT_EQ(more, 1U);
  for (open += more; open > 0;) open -= drain(1);
  for (std::size_t i = 0; i < accepted + 1; ++i) expect_contents(reads_[i]);
}

TEST_P(AsyncReaderConformanceTest, ReturnsAtOnceWhenNothingIsInFlight) {
  std::vector<ReadCompletion> completions(4);
  EXPECT_EQ(reader_->poll(completions, 4), 0U);
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit({}));
  EXPECT_EQ(accepted, 0U);
  EXPECT_EQ(reader_->poll({}, 1), 0U);
}

TEST_P(AsyncReaderConformanceTest, ReportsTheEndOfTheFileAsAnErrorWithItsOffset) {
  (void)track(kFileSize - unit(), 2 * unit());
  (void)track(0, unit());
  run_all();
  ASSERT_TRUE(reads_[0].error);
  EXPECT_EQ(reads_[0].error->code(), ErrorCode::kIo);
  EXPECT_THAT(reads_[0].error->message(), ::testing::HasSubstr("1048576"));
  expect_contents(reads_[1]);
}

TEST_P(AsyncReaderConformanceTest, ReportsASystemErrorWithOperationAndOffset) {
  (void)track(unit(), unit());
  ReadRequest bad = request(0);
  bad.fd = -1;
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit({&bad, 1}));
  ASSERT_EQ(accepted, 1U);
  drain(1);
  ASSERT_TRUE(reads_[0].error);
  EXPECT_EQ(reads_[0].error->code(), ErrorCode::kIo);
  EXPECT_EQ(reads_[0].error->system_errno(), EBADF);
  EXPECT_THAT(reads_[0].error->message(), ::testing::HasSubstr("offset " + std::to_string(unit())));
}

TEST_P(AsyncReaderConformanceTest, RejectsRequestsThatBreakItsLimits) {
  const ReadLimits limits = reader_->limits();
  if (limits.offset_alignment == 1) GTEST_SKIP() << "this engine has no alignment to break";
  (void)track(0, unit());
  ReadRequest bad = request(0);
  bad.offset = 1;
  EXPECT_THAT(reader_->submit({&bad, 1}), Fails(ErrorCode::kInvalidArgument, "offset"));
  std::vector<ReadCompletion> completions(1);
  EXPECT_EQ(reader_->poll(completions, 1), 0U);
}

TEST_P(AsyncReaderConformanceTest, CompletesEveryRequestOnceWhenItIsCancelledFromAnotherThread) {
  for (std::uint32_t i = 0; i < 200; ++i) (void)track(0, kFileSize / 16);
  std::thread canceller([this] {
    for (int i = 0; i < 50; ++i) {
      reader_->cancel();
      std::this_thread::yield();
    }
  });
  run_all();
  canceller.join();
  for (const TrackedRead& read : reads_) {
    EXPECT_EQ(read.completions, 1);
    if (read.error) {
      EXPECT_EQ(read.error->code(), ErrorCode::kCancelled) << read.error->message();
    } else {
      expect_contents(read);
    }
  }
}

TEST_P(AsyncReaderConformanceTest, ReadsAgainAfterACancel) {
  reader_->cancel();
  (void)track(0, unit());
  run_all();
  expect_contents(reads_[0]);
}

TEST_P(AsyncReaderConformanceTest, SurvivesDestructionWithRequestsInFlight) {
  for (std::uint32_t i = 0; i < 8; ++i) (void)track(0, kFileSize);
  std::vector<ReadRequest> batch;
  for (std::size_t i = 0; i < reads_.size(); ++i) batch.push_back(request(i));
  ASSERT_THAT(reader_->submit(batch), IsOk());
  reader_.reset();
  for (TrackedRead& read : reads_) std::ranges::fill(read.out, std::byte{0});  // no one writes now
}

}  // namespace
}  // namespace wpack::testing
