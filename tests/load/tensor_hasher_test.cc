#include "load/tensor_hasher.h"

#include <gtest/gtest.h>

#include <map>

#include "support/container_builder.h"

namespace wpack::load {
namespace {

using testing::pattern_bytes;

// Hashes `ranges` (sorted by begin) over `bytes` in chunks, in as many passes as it takes, and
// returns what was found by position. Chunks listed in `damaged` count as damaged.
std::map<std::uint32_t, std::uint64_t> hash_in_passes(std::vector<TensorRange> ranges,
                                                      const std::vector<std::byte>& bytes,
                                                      std::size_t chunk_size,
                                                      std::size_t damaged = ~std::size_t{0}) {
  std::map<std::uint32_t, std::uint64_t> found;
  TensorHasher hasher;
  while (!ranges.empty()) {
    hasher.reset(ranges);
    for (std::size_t at = 0; at < bytes.size(); at += chunk_size) {
      const Bytes chunk = Bytes(bytes).subspan(at, std::min(chunk_size, bytes.size() - at));
      hasher.begin_chunk({at, at + chunk.size()});
      hasher.update(chunk.first(chunk.size() / 3));
      hasher.update(chunk.subspan(chunk.size() / 3));
      for (const auto& [range, hash] :
           hasher.end_chunk(format::hash64(chunk), at / chunk_size == damaged)) {
        EXPECT_TRUE(found.emplace(range.first, hash).second) << "hashed twice";
      }
    }
    ranges.assign(hasher.deferred().begin(), hasher.deferred().end());
  }
  return found;
}

std::uint64_t hash_of(const std::vector<std::byte>& bytes, ByteRange range) {
  return format::hash64(Bytes(bytes).subspan(range.begin, range.size()));
}

TEST(TensorHasherTest, HashesRangesThatOverlapChunksAndEachOther) {
  const auto bytes = pattern_bytes(1000, 1);
  const std::vector<ByteRange> raw = {{0, 1000}, {0, 100}, {50, 51}, {100, 200}, {150, 950}};
  std::vector<TensorRange> ranges;
  for (std::uint32_t i = 0; i < raw.size(); ++i) ranges.push_back({raw[i], i, 1});
  const auto found = hash_in_passes(ranges, bytes, 100);
  ASSERT_EQ(found.size(), raw.size());
  for (std::uint32_t i = 0; i < raw.size(); ++i)
    EXPECT_EQ(found.at(i), hash_of(bytes, raw[i])) << i;
}

TEST(TensorHasherTest, HashesMoreOverlappingRangesThanItHoldsAtATime) {
  const auto bytes = pattern_bytes(5000, 2);
  std::vector<TensorRange> ranges;
  for (std::uint32_t i = 0; i < 3 * TensorHasher::kMaxActive; ++i)
    ranges.push_back({{i, 5000 - i}, i, 1});
  const auto found = hash_in_passes(ranges, bytes, 512);
  ASSERT_EQ(found.size(), ranges.size());
  for (const TensorRange& range : ranges)
    EXPECT_EQ(found.at(range.first), hash_of(bytes, range.raw));
}

TEST(TensorHasherTest, LeavesOutWhatADamagedChunkTouches) {
  const auto bytes = pattern_bytes(400, 3);
  const std::vector<TensorRange> ranges = {{{0, 100}, 0, 1},
                                           {{50, 150}, 1, 1},
                                           {{100, 200}, 2, 1},
                                           {{120, 130}, 3, 1},
                                           {{200, 400}, 4, 1}};
  const auto found = hash_in_passes(ranges, bytes, 100, 1);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(found.count(0), 1U);
  EXPECT_EQ(found.count(4), 1U);
}

TEST(TensorHasherTest, GroupsTensorsThatCoverTheSameBytes) {
  testing::ContainerBuilder builder;
  builder.layer("a").tensor("t", pattern_bytes(1000, 1)).tensor("empty", {});
  builder.view("part", "t", 10, 20).view("tied", "t", 0, 1000).tensor("u", pattern_bytes(10, 2));
  const format::Index index = builder.index();
  const auto tensors = tensors_by_place(index);
  EXPECT_EQ(tensors, (std::vector<std::uint32_t>{0, 3, 2, 4}));
  const auto ranges = group_by_range(index, std::span(tensors).first(3));
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].raw, (ByteRange{0, 1000}));
  EXPECT_EQ(ranges[0].count, 2U);
  EXPECT_EQ(ranges[1].first, 2U);
}

}  // namespace
}  // namespace wpack::load
