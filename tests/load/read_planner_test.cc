#include "load/read_planner.h"

#include <gtest/gtest.h>

#include <random>

#include "load/test_container.h"

namespace wpack::load {
namespace {

using testing::ContainerBuilder;
using testing::pattern_bytes;

TEST(ReadPlannerTest, ReturnsTheExtentsOfALayerWithThoseThatItShares) {
  const format::Index index = testing::sample_builder().index();
  EXPECT_EQ(extents_of_layer(index, 0), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(extents_of_layer(index, 1), (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(extents_of_layer(index, 3), (std::vector<std::uint32_t>{0}));
}

TEST(ReadPlannerTest, PlansALayerAsExactlyItsPages) {
  const format::Index index = testing::sample_builder().index();
  const auto runs = plan_runs(index, extents_of_layer(index, 1), {});
  ASSERT_EQ(runs.size(), 1U);
  const format::LayerRow layer = index.layers()[1];
  EXPECT_EQ(runs[0], (ExtentRun{.shard = 0, .range = {layer.begin, layer.end}, .count = 3}));
}

TEST(ReadPlannerTest, KeepsSharedExtentsAndShardsApart) {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.0", pattern_bytes(4096, 1)).new_shard();
  builder.layer("b").tensor("b.0", pattern_bytes(4096, 2));
  builder.layer("c").tensor("c.0", pattern_bytes(4096, 3));
  builder.view("c.1", "a.0", 0, 4096).view("c.2", "b.0", 0, 4096);
  const format::Index index = builder.index();
  const auto extents = extents_of_layer(index, 2);
  EXPECT_EQ(extents, (std::vector<std::uint32_t>{0, 1, 2}));
  const std::vector<ExtentRun> expected = {
      {.shard = 0, .range = {4096, 8192}, .first = 0, .count = 1},
      {.shard = 1, .range = {4096, 8192}, .first = 1, .count = 1},
      {.shard = 1, .range = {8192, 12288}, .first = 2, .count = 1}};
  EXPECT_EQ(plan_runs(index, extents, {}), expected);
}

TEST(ReadPlannerTest, ReadsSmallGapsAlongAndLeavesLargeOnesOut) {
  ContainerBuilder builder;
  builder.layer("a");
  for (const std::uint32_t size : {100U, 65'000U, 100U, 100'000U, 100U})
    builder.tensor("t" + std::to_string(builder.oracle().size()), pattern_bytes(size, size));
  const format::Index index = builder.index();
  EXPECT_EQ(plan_runs(index, std::vector<std::uint32_t>{0, 2}, {}).size(), 1U);
  const auto apart = plan_runs(index, std::vector<std::uint32_t>{0, 2, 4}, {});
  ASSERT_EQ(apart.size(), 2U);
  EXPECT_EQ(apart[0].count, 2U);
  EXPECT_EQ(apart[1].first, 2U);
  EXPECT_LE(apart[0].range.end, apart[1].range.begin);
}

TEST(ReadPlannerTest, AlignsRangesButNeverPastTheEndOfTheFile) {
  EXPECT_EQ(aligned_range({5'000, 5'100}, 512, 10'001), (ByteRange{4'608, 5'120}));
  EXPECT_EQ(aligned_range({5'000, 5'100}, 4'096, 10'001), (ByteRange{4'096, 8'192}));
  EXPECT_EQ(aligned_range({5'000, 5'100}, 65'536, 10'001), (ByteRange{0, 10'001}));
  for (const std::uint64_t alignment : {1U, 512U, 4'096U, 65'536U}) {
    EXPECT_EQ(aligned_range({9'999, 10'001}, alignment, 10'001).end, 10'001U);
    EXPECT_EQ(aligned_range({65'536, 131'072}, alignment, 131'073), (ByteRange{65'536, 131'072}));
  }
}

// Random extents of one shard, whose files end at pages.
TEST(ReadPlannerTest, KeepsItsPromisesForEveryAlignment) {
  std::mt19937 random(7);
  const auto pick = [&](std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
  };
  for (int round = 0; round < 60; ++round) {
    ContainerBuilder builder;
    builder.layer("a");
    for (std::uint64_t i = 0; i < 12; ++i)
      builder.tensor("t" + std::to_string(i), pattern_bytes(pick(1, 90'000), i));
    const format::Index index = builder.index();
    const std::uint64_t file_size = index.shards()[0].file_size;
    std::vector<std::uint32_t> extents;
    for (std::uint32_t i = 0; i < 12; ++i)
      if (pick(0, 2) > 0) extents.push_back(i);
    for (const std::uint64_t alignment : {1U, 512U, 4'096U, 65'536U}) {
      const ShardReads reads{.alignment = alignment};
      std::uint32_t planned = 0;
      for (const ExtentRun& run : plan_runs(index, extents, {&reads, 1})) {
        EXPECT_EQ(run.first, planned);
        planned += run.count;
        EXPECT_TRUE(base::is_aligned(run.range.begin, alignment));
        EXPECT_TRUE(base::is_aligned(run.range.end, alignment) || run.range.end == file_size);
        EXPECT_LE(run.range.end, file_size);
        std::uint64_t needed = 0;
        for (std::uint32_t i = run.first; i < planned; ++i) {
          const format::ExtentRow extent = index.extents()[extents[i]];
          needed += extent.stored_size;
          EXPECT_LE(run.range.begin, extent.offset);
          EXPECT_LE(extent.offset + extent.stored_size, run.range.end);
        }
        EXPECT_LE(run.range.size(), needed + (run.count - 1) * kMaxGap + 2 * (alignment - 1));
      }
      EXPECT_EQ(planned, extents.size());
    }
  }
}

TEST(ReadPlannerTest, TakesTheAlignmentOfEachShard) {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.0", pattern_bytes(100, 1)).tensor("a.1", pattern_bytes(700, 2));
  builder.new_shard().layer("b").tensor("b.0", pattern_bytes(100, 3));
  builder.tensor("b.1", pattern_bytes(700, 4));
  const format::Index index = builder.index();
  const ShardReads reads[] = {{.alignment = 512}, {.alignment = 65'536}};
  const std::vector<ExtentRun> expected = {
      {.shard = 0, .range = {4'096, 5'120}, .first = 0, .count = 1},
      {.shard = 1, .range = {0, 8'192}, .first = 1, .count = 1}};
  // The second tensor of each layer lies at 4,352; the second file ends at 8,192.
  EXPECT_EQ(plan_runs(index, std::vector<std::uint32_t>{1, 3}, reads), expected);
}

TEST(ReadPlannerTest, ReturnsNoRunsForNoExtents) {
  EXPECT_TRUE(plan_runs(testing::sample_builder().index(), {}, {}).empty());
}

TEST(ReadPlannerTest, CutsRangesIntoPiecesWithoutGaps) {
  EXPECT_TRUE(split_into_pieces({5, 5}, 10).empty());
  EXPECT_EQ(split_into_pieces({0, 25}, 10), (std::vector<ByteRange>{{0, 10}, {10, 20}, {20, 25}}));
  EXPECT_EQ(split_into_pieces({7, 17}, 10), (std::vector<ByteRange>{{7, 17}}));
}

TEST(ReadPlannerTest, ReturnsTheChunksThatHoldARange) {
  const format::ExtentRow extent{.raw_size = 200'001, .chunk_count = 4, .chunk_log2 = 16};
  EXPECT_EQ(chunks_of_range(extent, {0, 1}), (ChunkSpan{0, 1}));
  EXPECT_EQ(chunks_of_range(extent, {65'535, 65'537}), (ChunkSpan{0, 2}));
  EXPECT_EQ(chunks_of_range(extent, {65'536, 131'072}), (ChunkSpan{1, 2}));
  EXPECT_EQ(chunks_of_range(extent, {0, 200'001}), (ChunkSpan{0, 4}));
}

}  // namespace
}  // namespace wpack::load
