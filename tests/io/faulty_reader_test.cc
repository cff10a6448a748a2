#include "support/faulty_reader.h"

#include <gtest/gtest.h>

#include "io/async_reader_conformance.h"

namespace wpack::testing {
namespace {

Result<std::unique_ptr<AsyncReader>> make_faulty(const Faults& faults) {
  WPACK_ASSIGN(auto reader, make_pread_reader(2));
  return std::unique_ptr<AsyncReader>(std::make_unique<FaultyReader>(std::move(reader), faults));
}

// What the decorator adds must not break the contract that it decorates.
INSTANTIATE_TEST_SUITE_P(Faulty, AsyncReaderConformanceTest,
                         ::testing::Values(AsyncReaderCase{
                             "reordering", [] { return make_faulty({.hold_back = 5}); }}),
                         ::testing::PrintToStringParamName());

class FaultyReaderTest : public AsyncReaderConformanceTest {};
INSTANTIATE_TEST_SUITE_P(Faulty, FaultyReaderTest,
                         ::testing::Values(AsyncReaderCase{
                             "failing",
                             [] { return make_faulty({.io_error_at = 3, .short_read_at = 5}); }}),
                         ::testing::PrintToStringParamName());

TEST_P(FaultyReaderTest, FailsTheRequestsThatItWasToldToAndNoOthers) {
  for (std::uint64_t i = 0; i < 8; ++i) (void)track(i * 4096, 4096);
  run_all();
  for (std::size_t i = 0; i < reads_.size(); ++i) {
    if (i == 3) {
      ASSERT_TRUE(reads_[i].error);
      EXPECT_EQ(reads_[i].error->system_errno(), EIO);
    } else if (i == 5) {
      ASSERT_TRUE(reads_[i].error);
      EXPECT_THAT(reads_[i].error->message(), ::testing::HasSubstr("offset 22528"));
    } else {
      expect_contents(reads_[i]);
    }
  }
}

}  // namespace
}  // namespace wpack::testing
