#include "wpack/weight_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "support/container_builder.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/transfer.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint32_t kLayers = 3;

// Containers of three layers of 1 MiB, which differ by their number.
class WeightCacheTest : public ::testing::Test {
 protected:
  std::string add(std::uint32_t number) {
    ContainerBuilder builder;
    for (std::uint32_t i = 0; i < kLayers; ++i) {
      const std::string layer = "layers." + std::to_string(i);
      builder.layer(layer).tensor(layer + ".w", pattern_bytes(kMiB, number * kLayers + i));
    }
    return builder.build(directory_.path() / (std::to_string(number) + ".wpack"));
  }

  static WeightCache make(std::uint64_t budget, std::uint32_t max_open = 64) {
    return WeightCache::make(
               {.memory_budget = budget, .max_open = max_open, .open = {.readahead_layers = 0}})
        .value();
  }

  // Acquires and releases a layer; tells whether its bytes are right.
  static bool visit(const WeightCache& cache, const std::string& path, std::uint32_t number,
                    std::uint32_t layer) {
    const auto container = cache.open(path);
    if (!container) return false;
    const auto view = container->layer(layer).acquire();
    if (!view) return false;
    const Bytes bytes = view->tensors().front().bytes();
    const bool same = std::ranges::equal(bytes, pattern_bytes(kMiB, number * kLayers + layer));
    container->layer(layer).release();
    return same;
  }

  TempDir directory_;
};

TEST_F(WeightCacheTest, RejectsAnEmptyBudgetAndNoRoom) {
  EXPECT_THAT(WeightCache::make({}), Fails(ErrorCode::kInvalidArgument, "memory budget"));
  EXPECT_THAT(WeightCache::make({.memory_budget = 1, .max_open = 0}),
              Fails(ErrorCode::kInvalidArgument, "room"));
}

TEST_F(WeightCacheTest, OpensAContainerOnce) {
  const std::string path = add(0);
  const WeightCache cache = make(4 * kMiB);
  ASSERT_THAT(cache.open(path), IsOk());
  ASSERT_THAT(cache.open(path), IsOk());
  const WeightCacheStats stats = cache.stats();
  EXPECT_EQ(stats.misses, 1U);
  EXPECT_EQ(stats.hits, 1U);
  EXPECT_EQ(stats.open_count, 1U);
  EXPECT_THAT(cache.open(directory_.file("none.wpack")), Fails(ErrorCode::kIo, "none.wpack"));
  EXPECT_EQ(cache.stats().open_count, 1U);
}

TEST_F(WeightCacheTest, KeepsTheLayersThatWereUsedLastWhicheverContainerTheyAreOf) {
  const std::string one = add(1);
  const std::string two = add(2);
  const WeightCache cache = make(4 * kMiB);
  for (std::uint32_t i = 0; i < kLayers; ++i) ASSERT_TRUE(visit(cache, one, 1, i));
  for (std::uint32_t i = 0; i < kLayers; ++i) ASSERT_TRUE(visit(cache, two, 2, i));
  EXPECT_EQ(cache.stats().layer_misses, 6U);
  EXPECT_EQ(cache.stats().layers_given_up, 2U);
  EXPECT_LE(cache.stats().peak_memory_bytes, 4 * kMiB);
  ASSERT_TRUE(visit(cache, one, 1, 2));
  for (std::uint32_t i = 0; i < kLayers; ++i) ASSERT_TRUE(visit(cache, two, 2, i));
  EXPECT_EQ(cache.stats().layer_hits, 4U);
  EXPECT_EQ(cache.stats().layer_misses, 6U);
}

TEST_F(WeightCacheTest, ClosesTheContainerThatWasAskedForLongestAgo) {
  const WeightCache cache = make(9 * kMiB, 2);
  const std::string paths[] = {add(0), add(1), add(2)};
  for (const std::uint32_t i : {0U, 1U, 0U, 2U}) ASSERT_TRUE(visit(cache, paths[i], i, 0));
  EXPECT_EQ(cache.stats().open_count, 2U);
  EXPECT_EQ(cache.stats().evicted, 1U);
  EXPECT_EQ(cache.stats().memory_bytes, 2 * kMiB) << "what went was used again";
  ASSERT_TRUE(visit(cache, paths[0], 0, 0));
  EXPECT_EQ(cache.stats().layer_hits, 2U) << "the one that was closed is counted";
  ASSERT_TRUE(visit(cache, paths[1], 1, 0));
  EXPECT_EQ(cache.stats().layer_misses, 4U);
}

TEST_F(WeightCacheTest, SeesAReplacedContainerAfterItWasEvicted) {
  const std::string path = add(0);
  const WeightCache cache = make(4 * kMiB);
  ASSERT_TRUE(visit(cache, path, 0, 0));
  std::filesystem::remove_all(path);
  std::filesystem::rename(add(1), path);
  EXPECT_TRUE(visit(cache, path, 0, 0));
  EXPECT_TRUE(cache.evict(path));
  EXPECT_FALSE(cache.evict(path));
  EXPECT_TRUE(visit(cache, path, 1, 0));
}

TEST_F(WeightCacheTest, SharesItsBudgetWithAStagingRing) {
  const std::string paths[] = {add(0), add(1)};
  const WeightCache cache = make(4 * kMiB);
  const auto device = make_host_device();
  ASSERT_OK_AND_ASSIGN(const auto ring, make_staging_ring(device, {.pinned_budget = kMiB,
                                                                   .slot_size = kMiB / 2,
                                                                   .pool = cache.memory_pool()}));
  EXPECT_EQ(cache.stats().memory_bytes, kMiB);
  for (std::uint32_t number = 0; number < 2; ++number) {
    for (std::uint32_t i = 0; i < kLayers; ++i) {
      ASSERT_TRUE(visit(cache, paths[number], number, i));
      ASSERT_OK_AND_ASSIGN(const Container container, cache.open(paths[number]));
      ASSERT_THAT(load_layer(container, i, *ring), IsOk());
    }
  }
  EXPECT_LE(cache.stats().peak_memory_bytes, 4 * kMiB);
  EXPECT_EQ(cache.stats().layers_given_up, 3U) << "three fit beside the ring";
  EXPECT_THAT(make_staging_ring(device, {.pinned_budget = 8 * kMiB, .pool = cache.memory_pool()}),
              Fails(ErrorCode::kLimit, "8388608 bytes"));
}

TEST_F(WeightCacheTest, LeavesHandlesValidWhenItIsGone) {
  const std::string path = add(7);
  std::optional<WeightCache> cache = make(4 * kMiB);
  const Container container = cache->open(path).value();
  const LayerView view = container.layer(0).acquire().value();
  EXPECT_TRUE(cache->evict(path));
  cache.reset();
  EXPECT_TRUE(std::ranges::equal(view.tensors().front().bytes(), pattern_bytes(kMiB, 21)));
  EXPECT_THAT(container.layer(1).acquire(), IsOk());
}

TEST_F(WeightCacheTest, ServesSeveralThreadsFromMoreContainersThanItHolds) {
  std::vector<std::string> paths;
  for (std::uint32_t i = 0; i < 4; ++i) paths.push_back(add(i));
  const WeightCache cache = make(12 * kMiB, 2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 generator(seed);
      const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
      for (int i = 0; i < 25; ++i) {
        const std::uint32_t number = random() % 4;
        if (random() % 8 == 0) (void)cache.evict(paths[number]);
        if (!visit(cache, paths[number], number, random() % kLayers)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.stats().peak_memory_bytes, 12 * kMiB);
}

}  // namespace
}  // namespace wpack::testing
