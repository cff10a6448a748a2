// Each engine over a kernel whose n-th operation goes wrong, for n = 1, 2, … until a run meets no
// fault: right bytes after a retry, or an error that names operation and offset.
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "io/engines.h"
#include "support/memory_file.h"

namespace wpack::testing {
namespace {

class FaultInjectionTest : public AsyncReaderConformanceTest {
 protected:
  static constexpr std::uint64_t kReads = 6;

  [[nodiscard]] std::uint64_t size() const { return 3 * unit(); }

  void make_faulty(KernelFaults faults) {
    reader_.reset();
    reads_.clear();
    kernel_ = std::make_shared<FaultyKernel>(std::move(faults));
    std::optional<DirectAlignment> direct;
    if (files_[0].direct) direct = files_[0].direct->alignment;
    auto reader = make_faulty_engine(GetParam().name, direct, kernel_);
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
    for (std::uint64_t i = 0; i < kReads; ++i) (void)track(i * size(), size());
  }

  // `faults_at(n)` for every n that a run meets; `check` looks at each of these runs.
  template <typename FaultsAt, typename Check>
  void at_every_operation(const FaultsAt& faults_at, const Check& check) {
    for (std::uint64_t n = 1; !HasFatalFailure(); ++n) {
      SCOPED_TRACE("fault at operation " + std::to_string(n));
      make_faulty(faults_at(n));
      run_all();
      if (!kernel_->was_met()) {
        expect_all_contents();
        EXPECT_GT(n, 1U) << "no fault was ever met";
        return;
      }
      check();
    }
  }

  // One read failed with `code` and `cause`, and named what it wanted; all others are right.
  void expect_one_error(ErrorCode code, const std::string& operation, const std::string& cause) {
    int errors = 0;
    for (const TrackedRead& read : reads_) {
      if (!read.error) {
        expect_contents(read);
        continue;
      }
      ++errors;
      expect_error(read, code, operation);
      expect_error(read, code, "offset " + std::to_string(read.offset));
      expect_error(read, code, cause);
    }
    EXPECT_EQ(errors, 1);
  }

  std::shared_ptr<FaultyKernel> kernel_;
};

INSTANTIATE_TEST_SUITE_P(Engines, FaultInjectionTest, ::testing::ValuesIn(kEngines),
                         ::testing::PrintToStringParamName());

KernelFaults answer_at(std::uint64_t n, std::int64_t result) {
  return {.reads = {n, n}, .answer = [result](std::uint64_t) { return result; }};
}

TEST_P(FaultInjectionTest, ReadsTheRestAfterAShortReadOfAnyLength) {
  const auto block = static_cast<std::int64_t>(unit());
  const auto whole = static_cast<std::int64_t>(size());
  for (const std::int64_t length : {std::int64_t{1}, block - 1, block, block + 1, 2 * block,
                                    whole - block - 1, whole - block, whole - 1}) {
    SCOPED_TRACE("a read that ends after " + std::to_string(length) + " bytes");
    at_every_operation(
        [&](std::uint64_t n) {
          return KernelFaults{.reads = {n, n}, .answer = [length](std::uint64_t size) {
                                return std::min(length, static_cast<std::int64_t>(size) - 1);
                              }};
        },
        [&] { expect_all_contents(); });
  }
}

TEST_P(FaultInjectionTest, ReadsOnWhenEveryReadIsShort) {
  const auto block = static_cast<std::int64_t>(unit());
  make_faulty({.reads = {1, Calls::kEvery}, .answer = [&](std::uint64_t size) {
                 return std::max(block, static_cast<std::int64_t>(size) - 1);
               }});
  run_all();
  expect_all_contents();
}

TEST_P(FaultInjectionTest, TakesAReadOfNothingForTheEndOfTheFile) {
  at_every_operation([](std::uint64_t n) { return answer_at(n, 0); },
                     [&] {
                       expect_one_error(ErrorCode::kIo, "file ends at",
                                        std::to_string(size()) + " bytes too soon");
                     });
}

TEST_P(FaultInjectionTest, ReportsWhatTheKernelFailsWith) {
  struct Cause {
    int error;
    ErrorCode code;
    const char* text;
  };
  for (const Cause& cause : {Cause{EIO, ErrorCode::kIo, "Input/output error"},
                             Cause{ESTALE, ErrorCode::kIo, "Stale file handle"},
                             Cause{ENOMEM, ErrorCode::kLimit, "Cannot allocate memory"}}) {
    at_every_operation(
        [&](std::uint64_t n) { return answer_at(n, -cause.error); },
        [&] {
          expect_one_error(cause.code, "read of " + std::to_string(size()) + " bytes", cause.text);
        });
  }
}

TEST_P(FaultInjectionTest, NamesTheRestWhenThatFails) {
  const auto block = static_cast<std::int64_t>(unit());
  for (std::uint64_t i = 0; i < 2; ++i) {
    int calls = 0;
    make_faulty({.reads = {1, 2 * i + 2}, .answer = [&calls, block](std::uint64_t size) {
                   ++calls;
                   return static_cast<std::uint64_t>(block) * 3 == size ? block : -EIO;
                 }});
    reads_.resize(1);
    run_all();
    expect_error(reads_[0], ErrorCode::kIo,
                 "read of " + std::to_string(2 * unit()) + " bytes at offset " +
                     std::to_string(unit()) + " failed: Input/output error");
    EXPECT_EQ(calls, 2);
  }
}

TEST_P(FaultInjectionTest, TriesAgainWhatTheKernelPutsOff) {
  for (const int error : {EINTR, EAGAIN, ECANCELED}) {
    at_every_operation([&](std::uint64_t n) { return answer_at(n, -error); },
                       [&] { expect_all_contents(); });
  }
}

TEST_P(FaultInjectionTest, ReportsWhatTheKernelPutsOffForEver) {
  make_faulty({.reads = {1, Calls::kEvery}, .answer = [](std::uint64_t) { return -EAGAIN; }});
  run_all();
  for (const TrackedRead& read : reads_) {
    expect_error(read, ErrorCode::kLimit,
                 "read of " + std::to_string(size()) + " bytes at offset " +
                     std::to_string(read.offset) + " failed: Resource temporarily unavailable");
  }
}

TEST_P(FaultInjectionTest, FindsTheEndOfAFileThatShrinksWhileItIsRead) {
  make_faulty({.reads = {1, 1}, .answer = [this](std::uint64_t) {
                 std::filesystem::resize_file(files_[0].path, unit());
                 return static_cast<std::int64_t>(2 * unit());
               }});
  reads_.resize(1);
  run_all();
  const std::uint64_t named = 2 * unit();  // where the rest was asked for, and nothing was there
  expect_error(reads_[0], ErrorCode::kIo, "file ends at offset " + std::to_string(named));
}

TEST_P(FaultInjectionTest, GivesRightBytesUnderFaultsOfEveryKindAtOnce) {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::mutex mutex;  // of the threads that call pread()
    const auto answer = [&](std::uint64_t size) -> std::int64_t {
      const std::lock_guard lock(mutex);
      constexpr int kErrors[] = {EINTR, EAGAIN, ECANCELED};
      if (random() % 2 == 0) return -kErrors[random() % std::size(kErrors)];
      return static_cast<std::int64_t>((1 + random() % (size / unit())) * unit());
    };
    make_faulty({.reads = {1, Calls::kEvery},
                 .answer = answer,
                 .submissions = {2, 2 + seed % 5},
                 .submit_error = seed % 2 == 0 ? EAGAIN : 0,
                 .waits = {3, 3 + seed % 3},
                 .one_by_one = true,
                 .shuffle = seed});
    run_all();
    expect_all_contents();
  }
}

class QueueFaultTest : public FaultInjectionTest {};

INSTANTIATE_TEST_SUITE_P(Engines, QueueFaultTest,
                         ::testing::ValuesIn(std::span(kEngines).subspan(2)),  // not pread
                         ::testing::PrintToStringParamName());

TEST_P(QueueFaultTest, GoesOnWhenAQueueRefusesOrTakesAPart) {
  for (const int error : {0, EAGAIN, EBUSY, EINTR}) {
    at_every_operation(
        [&](std::uint64_t n) {
          return KernelFaults{.submissions = {n, n}, .submit_error = error};
        },
        [&] { expect_all_contents(); });
  }
  make_faulty({.submissions = {1, Calls::kEvery}});  // one read at a time
  run_all();
  expect_all_contents();
}

TEST_P(QueueFaultTest, FailsTheReadThatAQueueCannotTake) {
  at_every_operation(
      [](std::uint64_t n) {
        return KernelFaults{.submissions = {n, n}, .submit_error = EINVAL};
      },
      [&] { expect_one_error(ErrorCode::kIo, "read of ", "Invalid argument"); });
}

TEST_P(QueueFaultTest, FailsEveryReadWhenAQueueTakesNoneForEver) {
  make_faulty({.submissions = {1, Calls::kEvery}, .submit_error = EAGAIN});
  run_all();
  for (const TrackedRead& read : reads_) {
    expect_error(read, ErrorCode::kLimit, "Resource temporarily unavailable");
    expect_error(read, ErrorCode::kLimit, "at offset " + std::to_string(read.offset));
  }
}

TEST_P(QueueFaultTest, WaitsOnWhenASignalInterruptsIt) {
  for (const int error : {EINTR, EAGAIN, EBUSY}) {
    at_every_operation(
        [&](std::uint64_t n) {
          return KernelFaults{.waits = {n, n + 9}, .wait_error = error};
        },
        [&] { expect_all_contents(); });
  }
}

TEST_P(QueueFaultTest, FailsEveryReadOfAQueueThatIsGone) {
  make_faulty({.waits = {1, Calls::kEvery}, .wait_error = EBADF});
  run_all();
  for (const TrackedRead& read : reads_) {
    ASSERT_TRUE(read.error);
    EXPECT_EQ(read.error->system_errno(), EBADF);
    EXPECT_THAT(read.error->message(),
                ::testing::HasSubstr("at offset " + std::to_string(read.offset)));
  }
  reader_.reset();
}

TEST_P(QueueFaultTest, GivesResultsThatComeLateAndInAnyOrderToTheirRequests) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    make_faulty({.one_by_one = true, .shuffle = seed});
    track_many(60, 9);
    run_all();
    expect_all_contents();
  }
}

TEST_P(QueueFaultTest, WaitsInItsDestructorForWhatTheKernelHas) {
  make_faulty({.reads = {1, 2},
               .answer = [](std::uint64_t size) { return static_cast<std::int64_t>(size) - 1; },
               .waits = {1, 5},
               .one_by_one = true});
  ASSERT_THAT(reader_->submit(requests()), IsOk());
  reader_.reset();
  EXPECT_TRUE(kernel_->was_met());
  EXPECT_EQ(kernel_->left_behind(), 0U);
}

TEST_P(QueueFaultTest, CancelsWhatTheKernelHasNotTakenAndNothingElse) {
  // The first submission takes all, as it has one request; the next are refused.
  make_faulty({.submissions = {2, Calls::kEvery}, .submit_error = EAGAIN, .one_by_one = true});
  const std::vector<ReadRequest> batch = requests();
  ASSERT_THAT(reader_->submit(std::span(batch).first(1)), IsOk());
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit(std::span(batch).subspan(1)));
  ASSERT_EQ(accepted, kReads - 1);
  reader_->cancel();
  for (std::size_t open = kReads; open > 0;) open -= drain(1);
  expect_contents(reads_[0]);
  for (std::size_t i = 1; i < kReads; ++i)
    expect_error(reads_[i], ErrorCode::kCancelled, "read cancelled");
}

TEST_P(QueueFaultTest, DoesNotCancelTheRestOfAReadThatHasBegun) {
  const auto block = static_cast<std::int64_t>(unit());
  make_faulty({.reads = {1, 1},
               .answer = [block](std::uint64_t) { return block; },
               .submissions = {2, 4},
               .submit_error = EAGAIN,
               .one_by_one = true});
  reads_.resize(2);
  ASSERT_THAT(reader_->submit(requests()), IsOk());
  EXPECT_EQ(drain(0), 0U) << "the first answer is short, and its rest is refused";
  reader_->cancel();
  for (std::size_t open = 2; open > 0;) open -= drain(1);
  expect_all_contents();
}

TEST(PreadReaderFaultTest, CancelsWhatNoThreadHasBegunAndNothingElse) {
  const MemoryFile file("0123456789");
  ASSERT_OK_AND_ASSIGN(const auto opened, os::File::open_read(file.path()));
  std::atomic<bool> begun = false;
  std::atomic<bool> cancelled = false;
  const io::Pread pread = [&](int fd, void* out, std::size_t size, off_t offset) {
    begun = true;
    while (!cancelled) std::this_thread::yield();
    return ::pread(fd, out, size, offset);
  };
  ASSERT_OK_AND_ASSIGN(const auto reader, io::make_pread_reader(1, std::nullopt, pread));
  std::byte memory[4];
  std::vector<ReadRequest> batch;
  for (std::uint64_t i = 0; i < 4; ++i)
    batch.push_back({opened.fd(), i, MutableBytes(memory).subspan(i, 1), i});
  ASSERT_THAT(reader->submit(batch), IsOk());
  while (!begun) std::this_thread::yield();
  reader->cancel();
  cancelled = true;
  std::vector<ReadCompletion> completions(4);
  ASSERT_EQ(reader->poll(completions, 4), 4U);
  for (const ReadCompletion& completion : completions) {
    EXPECT_EQ(completion.error.has_value(), completion.user_data != 0);
    if (completion.error) {
      EXPECT_EQ(completion.error->code(), ErrorCode::kCancelled);
    }
  }
}

}  // namespace
}  // namespace wpack::testing
