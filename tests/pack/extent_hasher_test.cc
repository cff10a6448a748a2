#include "pack/extent_hasher.h"

#include <gtest/gtest.h>

#include "support/memory_source.h"

namespace wpack::packing {
namespace {

using testing::pattern_bytes;

constexpr std::uint64_t kChunk = std::uint64_t{1} << 16;

ExtentHashes hash_in_pieces(const std::vector<std::byte>& bytes, std::uint64_t piece,
                            std::vector<ExtentView> views = {}) {
  ExtentHasher hasher(16);
  hasher.start(std::move(views));
  for (std::uint64_t at = 0; at < bytes.size(); at += piece)
    hasher.update(Bytes(bytes).subspan(at, std::min<std::uint64_t>(piece, bytes.size() - at)));
  return hasher.finish();
}

TEST(ExtentHasherTest, GivesTheSameHashesHoweverTheBytesAreCut) {
  const auto bytes = pattern_bytes(3 * kChunk + 100, 5);
  const ExtentHashes whole = hash_in_pieces(bytes, bytes.size());
  ASSERT_EQ(whole.chunks.size(), 4U);
  EXPECT_EQ(whole.logical, format::hash64(bytes));
  EXPECT_EQ(whole.chunks[1], format::hash64(Bytes(bytes).subspan(kChunk, kChunk)));
  EXPECT_EQ(whole.chunks[3], format::hash64(Bytes(bytes).subspan(3 * kChunk)));
  for (const std::uint64_t piece : {std::uint64_t{1000}, kChunk, kChunk + 1, 2 * kChunk}) {
    const ExtentHashes cut = hash_in_pieces(bytes, piece);
    EXPECT_EQ(cut.chunks, whole.chunks) << piece;
    EXPECT_EQ(cut.logical, whole.logical) << piece;
    EXPECT_EQ(cut.key, whole.key) << piece;
  }
}

TEST(ExtentHasherTest, HashesViewsThatCrossPieces) {
  const auto bytes = pattern_bytes(kChunk, 6);
  const ExtentHashes hashes = hash_in_pieces(bytes, 100, {{9, {50, 350}}, {4, {0, kChunk}}});
  ASSERT_EQ(hashes.views.size(), 2U);
  EXPECT_EQ(hashes.views[0].tensor, 9U);
  EXPECT_EQ(hashes.views[0].hash, format::hash64(Bytes(bytes).subspan(50, 300)));
  EXPECT_EQ(hashes.views[1].hash, hashes.logical);
}

TEST(ExtentHasherTest, HashesManyViewsOfFewRanges) {
  const auto bytes = pattern_bytes(kChunk, 7);
  std::vector<ExtentView> views;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const std::uint64_t begin = i % 3 * 1000;
    views.push_back({i, {begin, begin + 1500 + i % 2 * 40'000}});
  }
  const ExtentHashes hashes = hash_in_pieces(bytes, 700, views);
  ASSERT_EQ(hashes.views.size(), views.size());
  std::vector<bool> seen(views.size());
  for (const auto& [tensor, hash] : hashes.views) {
    const ByteRange range = views[tensor].range;
    EXPECT_EQ(hash, format::hash64(Bytes(bytes).subspan(range.begin, range.size())));
    EXPECT_FALSE(seen[tensor]);
    seen[tensor] = true;
  }
}

TEST(ExtentHasherTest, ForgetsTheExtentBefore) {
  ExtentHasher hasher(16);
  hasher.start({});
  hasher.update(pattern_bytes(70'000, 1));
  (void)hasher.finish();
  const auto bytes = pattern_bytes(100, 2);
  hasher.start({});
  hasher.update(bytes);
  EXPECT_EQ(hasher.finish().chunks, std::vector<std::uint64_t>{format::hash64(bytes)});
}

TEST(ExtentHasherTest, GivesDifferentKeysToContentThatDiffersInOneByte) {
  auto bytes = pattern_bytes(200'000, 3);
  const ExtentHashes before = hash_in_pieces(bytes, 4096);
  bytes[199'999] ^= std::byte{1};
  EXPECT_NE(hash_in_pieces(bytes, 4096).key, before.key);
}

}  // namespace
}  // namespace wpack::packing
