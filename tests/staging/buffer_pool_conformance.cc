#include "staging/buffer_pool_conformance.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "support/result_matchers.h"

namespace wpack::testing {
namespace {

TEST_P(BufferPoolConformanceTest, ReturnsAlignedMemoryOfExactlyTheSizeThatWasAsked) {
  const auto pool = make(64 * kMiB);
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{4095}, std::uint64_t{4096},
                                   std::uint64_t{4097}, 3 * kMiB + 5}) {
    ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, pool->allocate(size));
    EXPECT_EQ(buffer.bytes().size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.bytes().data()) % 4096, 0U);
    std::ranges::fill(buffer.bytes(), std::byte{0x5A});
    EXPECT_EQ(buffer.bytes().back(), std::byte{0x5A});
  }
}

TEST_P(BufferPoolConformanceTest, ReturnsAnEmptyBufferForZeroBytes) {
  ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, make(0)->allocate(0));
  EXPECT_TRUE(buffer.bytes().empty());
}

TEST_P(BufferPoolConformanceTest, RejectsWhatIsOverTheBudgetAndNamesTheSizes) {
  const auto pool = make(8 * kMiB);
  EXPECT_THAT(pool->allocate(8 * kMiB + 1), Fails(ErrorCode::kLimit, "8388609 bytes"));
  ASSERT_OK_AND_ASSIGN(const HostBuffer half, pool->allocate(4 * kMiB));
  EXPECT_THAT(pool->allocate(5 * kMiB), Fails(ErrorCode::kLimit, "5242880 bytes"));
  EXPECT_THAT(pool->allocate(4 * kMiB), IsOk());
}

TEST_P(BufferPoolConformanceTest, RejectsSizesNearTheEndOfTheNumberRange) {
  const auto pool = make(~std::uint64_t{0});
  EXPECT_THAT(pool->allocate(~std::uint64_t{0}), Fails(ErrorCode::kLimit, "18446744073709551615"));
  EXPECT_THAT(pool->allocate(~std::uint64_t{0} - 8191), Fails(ErrorCode::kLimit, "allocation of"));
  EXPECT_THAT(pool->allocate(kMiB), IsOk());
}

TEST_P(BufferPoolConformanceTest, TakesMemoryBackWhenABufferIsDestroyedOrOverwritten) {
  const auto pool = make(kMiB);
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK_AND_ASSIGN(const HostBuffer buffer, pool->allocate(kMiB));
  }
  ASSERT_OK_AND_ASSIGN(HostBuffer kept, pool->allocate(kMiB / 2));
  ASSERT_OK_AND_ASSIGN(HostBuffer other, pool->allocate(kMiB / 2));
  EXPECT_THAT(pool->allocate(1), Fails(ErrorCode::kLimit, "1 bytes"));
  {
    const HostBuffer gone = std::move(kept);
    kept = HostBuffer();
  }
  EXPECT_THAT(pool->allocate(kMiB / 2), IsOk());
}

TEST_P(BufferPoolConformanceTest, SurvivesTheLastReferenceToThePool) {
  HostBuffer buffer;
  { ASSERT_OK_AND_ASSIGN(buffer, make(kMiB)->allocate(100)); }
  std::ranges::fill(buffer.bytes(), std::byte{1});
  EXPECT_EQ(buffer.bytes().size(), 100U);
}

TEST_P(BufferPoolConformanceTest, SurvivesAllocationFromSeveralThreadsWithinTheBudget) {
  const auto pool = make(64 * 1024);
  std::vector<std::thread> threads;
  std::atomic<int> damaged{0};
  for (int id = 1; id <= 4; ++id) {
    threads.emplace_back([&, mark = static_cast<std::byte>(id)] {
      for (int round = 0; round < 200; ++round) {
        auto buffer = pool->allocate(20'000);
        if (!buffer) continue;  // three of the four fit
        std::ranges::fill(buffer->bytes(), mark);
        if (std::ranges::count(buffer->bytes(), mark) != 20'000) ++damaged;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(damaged, 0);
  EXPECT_THAT(pool->allocate(64 * 1024), IsOk());
}

}  // namespace
}  // namespace wpack::testing
