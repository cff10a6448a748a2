#include <gtest/gtest.h>

#include <string>

#include "staging/buffer_pool_conformance.h"
#include "support/result_matchers.h"

namespace wpack::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Host, BufferPoolConformanceTest,
                         ::testing::Values(BufferPoolCase{"host", make_host_pool}),
                         ::testing::PrintToStringParamName());

TEST(HostPoolTest, CountsWholePages) {
  const auto pool = make_host_pool(8192);
  ASSERT_OK_AND_ASSIGN(const HostBuffer one, pool->allocate(1));
  ASSERT_OK_AND_ASSIGN(const HostBuffer two, pool->allocate(1));
  EXPECT_THAT(pool->allocate(1), Fails(ErrorCode::kLimit, "8192 of 8192 bytes are in use"));
}

TEST(HostPoolTest, ReturnsTheBudgetWhenTheSystemRefuses) {
  const std::uint64_t more_than_an_address_space = std::uint64_t{1} << 60;
  const auto pool = make_host_pool(more_than_an_address_space);
  EXPECT_THAT(pool->allocate(more_than_an_address_space), Fails(ErrorCode::kLimit, "failed: "));
  EXPECT_THAT(pool->allocate(4096), IsOk());
}

}  // namespace
}  // namespace wpack::testing
