#include "support/faulty_reader.h"

#include <gtest/gtest.h>

#include "io/async_reader_conformance.h"

namespace wpack::testing {
namespace {

Result<std::unique_ptr<AsyncReader>> make_faulty(const Faults& faults) {
  WPACK_ASSIGN(auto reader, make_pread_reader(2));
  return std::unique_ptr<AsyncReader>(std::make_unique<FaultyReader>(std::move(reader), faults));
}

AsyncReaderCase with_faults(std::string name, const Faults& faults) {
  return {std::move(name), [faults](const auto&) { return make_faulty(faults); }};
}

// What the decorator adds must not break the contract that it decorates.
INSTANTIATE_TEST_SUITE_P(Faulty, AsyncReaderConformanceTest,
                         ::testing::Values(with_faults("reordering", {.hold_back = 5}),
                                           with_faults("delaying", {.idle_polls = 3})),
                         ::testing::PrintToStringParamName());

class FailingReaderTest : public AsyncReaderConformanceTest {};
INSTANTIATE_TEST_SUITE_P(Faulty, FailingReaderTest,
                         ::testing::Values(with_faults("failing", {.io_error_at = 3,
                                                                   .short_read_at = 5,
                                                                   .wrong_byte_at = 6})),
                         ::testing::PrintToStringParamName());

TEST_P(FailingReaderTest, FailsTheRequestsThatItWasToldToAndNoOthers) {
  for (std::uint64_t i = 0; i < 8; ++i) (void)track(i * 4096, 4096);
  run_all();
  expect_error(reads_[3], ErrorCode::kIo, "read of 4096 bytes at offset 12288 failed");
  EXPECT_EQ(reads_[3].error->system_errno(), EIO);
  expect_error(reads_[5], ErrorCode::kIo, "offset 22528");
  EXPECT_FALSE(reads_[6].error);
  reads_[6].out[2048] ^= std::byte{1};
  for (const std::size_t good : {0, 1, 2, 4, 6, 7}) expect_contents(reads_[good]);
}

class RefusingReaderTest : public AsyncReaderConformanceTest {};
INSTANTIATE_TEST_SUITE_P(Faulty, RefusingReaderTest,
                         ::testing::Values(with_faults("refusing", {.half_submit_at = 0,
                                                                    .failed_submit_at = 1})),
                         ::testing::PrintToStringParamName());

TEST_P(RefusingReaderTest, AcceptsAPartAndThenNothing) {
  for (std::uint64_t i = 0; i < 8; ++i) (void)track(i * 4096, 4096);
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader_->submit(requests()));
  EXPECT_EQ(accepted, 4U);
  EXPECT_THAT(reader_->submit(requests(4)), Fails(ErrorCode::kLimit, "submission of reads"));
  for (std::size_t open = accepted; open > 0;) open -= drain(1);
  ASSERT_OK_AND_ASSIGN(const std::size_t rest, reader_->submit(requests(4)));
  EXPECT_EQ(rest, 4U);
  for (std::size_t open = rest; open > 0;) open -= drain(1);
  expect_all_contents();
}

}  // namespace
}  // namespace wpack::testing
