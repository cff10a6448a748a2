#include <gtest/gtest.h>

#include "io/async_reader_conformance.h"

namespace wpack::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Pread, AsyncReaderConformanceTest,
    ::testing::Values(AsyncReaderCase{"one_thread", [] { return make_pread_reader(1); }},
                      AsyncReaderCase{"four_threads", [] { return make_pread_reader(4); }}),
    ::testing::PrintToStringParamName());

TEST(PreadReaderTest, RejectsThreadCountsOutsideItsRange) {
  EXPECT_THAT(make_pread_reader(0), Fails(ErrorCode::kInvalidArgument, "0 reading threads"));
  EXPECT_THAT(make_pread_reader(65), Fails(ErrorCode::kInvalidArgument, "1 to 64"));
}

TEST(PreadReaderTest, ReadsZeroBytesOfAnythingAtOnce) {
  ASSERT_OK_AND_ASSIGN(const auto reader, make_pread_reader(1));
  const ReadRequest nothing{.fd = -1, .offset = 7, .out = {}, .user_data = 42};
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader->submit({&nothing, 1}));
  ASSERT_EQ(accepted, 1U);
  ReadCompletion completion;
  ASSERT_EQ(reader->poll({&completion, 1}, 1), 1U);
  EXPECT_EQ(completion.user_data, 42U);
  EXPECT_FALSE(completion.error);
}

}  // namespace
}  // namespace wpack::testing
