#include "io/async_reader_conformance.h"

#include <sys/time.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "support/child_process.h"

namespace wpack::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST_P(AsyncReaderConformanceTest, ReadsEveryRequestExactlyOnceWhateverItsPlace) {
  track_many(200, 9);
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, ReadsALargeRequestWhole) {
  (void)track(0, kFileSize);
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, ReadsSeveralFilesAtOnce) {
  add_file(kFileSize / 2);
  add_file(kFileSize / 4);
  for (std::uint64_t i = 0; i < 60; ++i) (void)track(i * unit(), 2 * unit(), i % 3);
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, AcceptsNoMoreThanItsLimitAndGoesOnAfterAPoll) {
  const std::uint32_t limit = reader_->limits().max_in_flight;
  for (std::uint32_t i = 0; i < limit + 1; ++i) (void)track(0, unit());
  const std::vector<ReadRequest> batch = requests();
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

TEST_P(AsyncReaderConformanceTest, GivesCompletionsToAPollThatDoesNotWait) {
  (void)track(0, unit());
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit(requests()));
  ASSERT_EQ(accepted, 1U);
  while (drain(0) == 0) std::this_thread::yield();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, CompletesReadsOfNothing) {
  for (int i = 0; i < 3; ++i) (void)track(unit(), 0);
  std::vector<ReadRequest> batch = requests();
  batch[1].fd = -1;
  batch[2].out = {};
  run_all(batch);
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, ReportsTheEndOfTheFileAsAnErrorWithItsOffset) {
  (void)track(kFileSize - unit(), 2 * unit());
  (void)track(0, unit());
  (void)track(kFileSize, unit());
  run_all();
  expect_error(reads_[0], ErrorCode::kIo, "file ends at offset 1048576");
  expect_contents(reads_[1]);
  expect_error(reads_[2], ErrorCode::kIo, "file ends at offset 1048576");
}

TEST_P(AsyncReaderConformanceTest, FindsTheEndOfAFileWithinABlock) {
  add_file(kFileSize + 1000);
  (void)track(kFileSize, unit(), 1);
  (void)track(kFileSize - unit(), 4 * unit(), 1);
  (void)track(kFileSize - unit(), unit(), 1);
  run_all();
  const std::string end = "file ends at offset " + std::to_string(kFileSize + 1000) + ", ";
  // A read of one block of 512 bytes is whole before that.
  if (unit() > 1000) expect_error(reads_[0], ErrorCode::kIo, end);
  expect_error(reads_[1], ErrorCode::kIo, end);
  expect_contents(reads_[2]);
}

TEST_P(AsyncReaderConformanceTest, ReportsWhatIsGoneOfAFileThatShrank) {
  const std::uint64_t end = kFileSize / 2;
  std::filesystem::resize_file(files_[0].path, end);
  for (std::uint64_t block = 0; block < 16; ++block)
    (void)track(block * kFileSize / 16, kFileSize / 16);
  (void)track(end - unit(), 2 * unit());
  run_all();
  for (const TrackedRead& read : reads_) {
    if (read.offset + read.out.size() <= end) {
      expect_contents(read);
    } else {
      const std::uint64_t named = std::max(end, read.offset);
      expect_error(read, ErrorCode::kIo, "file ends at offset " + std::to_string(named));
    }
  }
}

TEST_P(AsyncReaderConformanceTest, ReturnsBytesOrAnErrorWhileAFileShrinks) {
  for (int round = 0; round < 4; ++round) track_many(50, 9);
  std::thread shrinking([this] {
    for (std::uint64_t size = kFileSize; size > 0; size -= kFileSize / 64)
      std::filesystem::resize_file(files_[0].path, size);
  });
  run_all();
  shrinking.join();
  for (const TrackedRead& read : reads_) {
    if (read.error) {
      expect_error(read, ErrorCode::kIo, "file ends at offset ");
    } else {
      expect_contents(read);
    }
  }
}

TEST_P(AsyncReaderConformanceTest, ReportsASystemErrorWithOperationAndOffset) {
  (void)track(unit(), unit());
  (void)track(0, unit());
  std::vector<ReadRequest> batch = requests();
  batch[0].fd = -1;
  run_all(batch);
  expect_error(reads_[0], ErrorCode::kIo,
               "read of " + std::to_string(unit()) + " bytes at offset " + std::to_string(unit()));
  EXPECT_EQ(reads_[0].error->system_errno(), EBADF);
  expect_contents(reads_[1]);
}

TEST_P(AsyncReaderConformanceTest, RefusesABatchWithARequestThatBreaksItsLimits) {
  const ReadLimits limits = reader_->limits();
  (void)track(0, unit());
  (void)track(0, unit());
  const auto expect_refusal = [this](const ReadRequest& bad, const std::string& part) {
    const ReadRequest batch[] = {request(0), bad};
    EXPECT_THAT(reader_->submit(batch), Fails(ErrorCode::kInvalidArgument, part));
    std::vector<ReadCompletion> completions(1);
    EXPECT_EQ(reader_->poll(completions, 1), 0U);
  };
  const ReadRequest good = request(1);
  ReadRequest bad = good;
  bad.offset += limits.offset_alignment / 2;
  if (limits.offset_alignment > 1) expect_refusal(bad, "offset 0x");
  bad = good;
  bad.out = good.out.first(good.out.size() - 1);
  if (limits.size_alignment > 1) expect_refusal(bad, "size 0x");
  bad = good;
  bad.out = {good.out.data() - 1, good.out.size()};
  if (limits.memory_alignment > 1) expect_refusal(bad, "memory 0x");
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, ReadsTheSmallestThingsThatItsLimitsAllow) {
  const ReadLimits limits = reader_->limits();
  for (std::uint64_t i = 0; i < 20; ++i) {
    TrackedRead& read = track(i * limits.offset_alignment, limits.size_alignment);
    read.out = {read.out.data() + limits.memory_alignment % kMargin, read.out.size()};
  }
  run_all();
  expect_all_contents();
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

TEST_P(AsyncReaderConformanceTest, GivesAnotherThreadWhatAThreadThatEndedHasSubmitted) {
  track_many(std::min(reader_->limits().max_in_flight, 32U), 9);
  files_[0].file.advise_dont_need(0, kFileSize);
  std::size_t accepted = 0;
  std::thread([&] { accepted = reader_->submit(requests()).value_or(0); }).join();
  ASSERT_EQ(accepted, reads_.size());
  for (std::size_t open = accepted; open > 0;) open -= drain(1);
  expect_all_contents();
}

extern "C" void do_nothing(int) {}

// SIGALRM every 50 microseconds, which interrupts whatever waits.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = do_nothing;  // without SA_RESTART
    ::sigaction(SIGALRM, &action, &old_);
    const itimerval interval{{0, 50}, {0, 50}};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
  }
  ~SignalStorm() {
    const itimerval none{};
    ::setitimer(ITIMER_REAL, &none, nullptr);
    ::sigaction(SIGALRM, &old_, nullptr);
  }

 private:
  struct sigaction old_ {};
};

TEST_P(AsyncReaderConformanceTest, ReadsOnWhenSignalsInterruptIt) {
  const SignalStorm storm;
  for (int round = 0; round < 5; ++round) track_many(100, 64);
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, IsOfNoUseInAForkAndUnharmedByIt) {
  track_many(std::min(reader_->limits().max_in_flight, 4U), 9);
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit(requests()));
  ASSERT_EQ(accepted, reads_.size());
  EXPECT_EQ(run_in_child([&]() -> std::string {
              const auto refused = reader_->submit(requests());
              if (refused) return "submit() works";
              if (refused.error().code() != ErrorCode::kInvalidArgument)
                return refused.error().message();
              std::vector<ReadCompletion> completions(8);
              if (reader_->poll(completions, 8) != 0) return "poll() returns completions";
              reader_->cancel();
              reader_.reset();
              return "";
            }),
            "");
  for (std::size_t open = accepted; open > 0;) open -= drain(1);
  expect_all_contents();
  reads_.clear();
  track_many(20, 9);
  run_all();
  expect_all_contents();
}

TEST_P(AsyncReaderConformanceTest, WritesNothingAfterItsDestruction) {
  for (std::uint32_t i = 0; i < 8; ++i) (void)track(0, kFileSize);
  ASSERT_THAT(reader_->submit(requests()), IsOk());
  reader_.reset();
  for (TrackedRead& read : reads_) std::ranges::fill(read.memory, kUntouched);
  make_reader();  // takes its time, and what was in flight would be there by now
  (void)track(0, unit());
  const std::vector<ReadRequest> last = requests(reads_.size() - 1);
  ASSERT_THAT(reader_->submit(last), IsOk());
  drain(1);
  expect_contents(reads_.back());
  reads_.pop_back();
  for (const TrackedRead& read : reads_) {
    EXPECT_TRUE(std::ranges::all_of(read.memory, [](std::byte b) { return b == kUntouched; }));
  }
}

TEST_P(AsyncReaderConformanceTest, DropsCompletionsThatNobodyPolled) {
  (void)track(0, unit());
  ASSERT_THAT(reader_->submit(requests()), IsOk());
  for (std::size_t i = 0; i < 3; ++i) (void)reader_->poll({}, 1);
  reader_.reset();
}

}  // namespace
}  // namespace wpack::testing
