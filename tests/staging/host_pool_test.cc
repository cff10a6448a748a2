#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "staging/buffer_pool_conformance.h"
#include "support/result_matchers.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::shared_ptr<BufferPool> returning_pool(std::uint64_t budget) { return make_host_pool(budget); }
std::shared_ptr<BufferPool> keeping_pool(std::uint64_t budget) {
  return make_host_pool({.budget = budget, .keep_free = budget});
}
std::shared_ptr<BufferPool> huge_pool(std::uint64_t budget) {
  return make_host_pool({.budget = budget, .keep_free = budget / 2, .huge_tlb = true});
}

INSTANTIATE_TEST_SUITE_P(Host, BufferPoolConformanceTest,
                         ::testing::Values(BufferPoolCase{"returning", returning_pool},
                                           BufferPoolCase{"keeping", keeping_pool},
                                           BufferPoolCase{"huge", huge_pool}),
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

TEST(HostPoolTest, HandsOutWhatItKeptFree) {
  const auto pool = keeping_pool(8 * kMiB);
  const std::byte* first = nullptr;
  {
    ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, pool->allocate(3 * kMiB));
    first = buffer.bytes().data();
  }
  EXPECT_EQ(pool->stats().free, 3 * kMiB);
  ASSERT_OK_AND_ASSIGN(const HostBuffer again, pool->allocate(3 * kMiB - 5000));
  EXPECT_EQ(again.bytes().data(), first);
  EXPECT_EQ(again.bytes().size(), 3 * kMiB - 5000);
  EXPECT_EQ(pool->stats().free, 0U);
  EXPECT_EQ(pool->stats().in_use, 3 * kMiB);
  EXPECT_EQ(pool->stats().reused, 3 * kMiB);
}

TEST(HostPoolTest, HandsOutTheEndsOfReusedMemoryWhereTheyAreNeeded) {
  const auto pool = keeping_pool(4 * kMiB);
  ASSERT_THAT(pool->allocate(3 * kMiB), IsOk());
  ASSERT_OK_AND_ASSIGN(const HostBuffer first, pool->allocate(3 * kMiB - 100'000));
  std::ranges::fill(first.bytes(), std::byte{1});
  EXPECT_EQ(pool->stats().in_use, 3 * kMiB);
  {
    ASSERT_OK_AND_ASSIGN(const HostBuffer second, pool->allocate(kMiB + 50'000));
    std::ranges::fill(second.bytes(), std::byte{2});
    EXPECT_LE(pool->stats().in_use, 4 * kMiB);
    EXPECT_EQ(std::ranges::count(first.bytes(), std::byte{1}), 3 * kMiB - 100'000);
  }
  EXPECT_THAT(pool->allocate(kMiB + 150'000), Fails(ErrorCode::kLimit, "over the budget"));
}

TEST(HostPoolTest, KeepsNoMoreFreeThanItIsTold) {
  const auto pool = make_host_pool({.budget = 8 * kMiB, .keep_free = 2 * kMiB});
  { ASSERT_OK_AND_ASSIGN(const HostBuffer large, pool->allocate(3 * kMiB)); }
  EXPECT_EQ(pool->stats().free, 0U);
  { ASSERT_OK_AND_ASSIGN(const HostBuffer small, pool->allocate(kMiB)); }
  EXPECT_EQ(pool->stats().free, kMiB);
  EXPECT_EQ(pool->stats().peak, 3 * kMiB);
}

TEST(HostPoolTest, ReturnsWhatIsFreeBeforeTheBudgetIsPassed) {
  const auto pool = keeping_pool(4 * kMiB);
  { ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, pool->allocate(3 * kMiB)); }
  ASSERT_OK_AND_ASSIGN(const HostBuffer other, pool->allocate(2 * kMiB));
  EXPECT_EQ(pool->stats().free, 0U) << "three would be too many for two";
  EXPECT_EQ(pool->stats().in_use, 2 * kMiB);
  EXPECT_EQ(pool->stats().peak, 3 * kMiB);
}

TEST(HostPoolTest, CountsWhereHugePagesAreAskedFor) {
  const auto pool = returning_pool(16 * kMiB);
  ASSERT_OK_AND_ASSIGN(const HostBuffer small, pool->allocate(kMiB));
  EXPECT_EQ(pool->stats().huge_asked, 0U);
  {
    ASSERT_OK_AND_ASSIGN(const HostBuffer large, pool->allocate(5 * kMiB));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(large.bytes().data()) % (2 * kMiB), 0U);
    EXPECT_EQ(pool->stats().huge_asked, 5 * kMiB);
  }
  EXPECT_EQ(pool->stats().huge_asked, 0U);
}

TEST(HostPoolTest, TakesOrdinaryMemoryWhereNoHugePagesAreReserved) {
  const auto pool = huge_pool(16 * kMiB);
  ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, pool->allocate(4 * kMiB));
  std::ranges::fill(buffer.bytes(), std::byte{1});
  const BufferPoolStats stats = pool->stats();
  EXPECT_EQ(stats.huge_tlb + stats.huge_asked, 4 * kMiB);
}

}  // namespace
}  // namespace wpack::testing
