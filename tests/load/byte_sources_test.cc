// Which way the bytes came that statistics count.
#include <gtest/gtest.h>

#include "load/test_container.h"
#include "support/page_cache.h"
#include "wpack/explain.h"

namespace wpack::testing {
namespace {

class ByteSourcesTest : public ::testing::Test {
 protected:
  [[nodiscard]] Container open(const OpenOptions& options) const {
    return open_with(path_, options).value();
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
};

TEST_F(ByteSourcesTest, CountsWhatIsBroughtInForMappingsApartFromWhatIsMapped) {
  const Container container = open({.access = AccessMode::kMap, .readahead_layers = 0});
  const Layer layer = container.layer(1);
  ASSERT_THAT(layer.acquire(), IsOk());
  const AccessStats stats = container.stats();
  EXPECT_EQ(stats.brought_in_bytes, layer.info().range.size());
  EXPECT_GT(stats.mapped_bytes, stats.brought_in_bytes) << "of the whole shard";
  EXPECT_EQ(stats.read_bytes, 0U);
}

TEST_F(ByteSourcesTest, CountsPagesOfSlicesThatAreGatheredFromAMapping) {
  const Container container = open({.access = AccessMode::kMap, .readahead_layers = 0});
  const SliceRequest parts{.tensor = 0, .part = {.dim = 0, .ranges = {{0, 9}, {20'000, 20'009}}}};
  ASSERT_OK_AND_ASSIGN(const ReadCost cost, container.plan_slices({&parts, 1}));
  ASSERT_THAT(container.slices({&parts, 1}), IsOk());
  EXPECT_EQ(container.stats().brought_in_bytes, cost.read_bytes);
  EXPECT_EQ(container.stats().read_bytes, 0U);
}

TEST_F(ByteSourcesTest, CountsReadsThroughThePageCacheAsBuffered) {
  const Container container = open({.access = AccessMode::kRead, .readahead_layers = 0});
  expect_oracle(container, builder_);  // the page cache has the bytes: they were just written
  const std::uint64_t tensors = container.stats().buffered_bytes;
  EXPECT_GT(tensors, 0U);
  ASSERT_THAT(container.attachment("config.json"), IsOk());
  const AccessStats stats = container.stats();
  EXPECT_EQ(stats.buffered_bytes, tensors + 70'000);
  EXPECT_EQ(stats.direct_bytes, 0U);
  EXPECT_EQ(stats.brought_in_bytes, 0U);
  EXPECT_EQ(stats.read_bytes, stats.buffered_bytes);
}

TEST_F(ByteSourcesTest, CountsReadsPastThePageCacheAsDirect) {
  for (const char* shard : {"/00000.wps", "/00001.wps"})
    ASSERT_TRUE(drop_from_page_cache(path_ + shard));
  const Container container = open({.access = AccessMode::kRead, .readahead_layers = 0});
  const Layer layer = container.layer(0);
  ASSERT_THAT(layer.acquire(), IsOk());
  ASSERT_OK_AND_ASSIGN(const Explanation found, explain(container));
  if (found.shards[0].choice.method != ReadMethod::kDirect) GTEST_SKIP() << "no direct reads here";
  const AccessStats stats = container.stats();
  EXPECT_EQ(stats.direct_bytes, layer.info().range.size());
  EXPECT_EQ(stats.buffered_bytes, 0U);
  EXPECT_EQ(stats.read_bytes, stats.direct_bytes);
}

}  // namespace
}  // namespace wpack::testing
