#include "load/transfer_plan.h"

#include <gtest/gtest.h>

#include "load/test_container.h"

namespace wpack::load {
namespace {

using testing::ContainerBuilder;
using testing::Fails;
using testing::pattern_bytes;

constexpr std::uint64_t kChunk = 65'536;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Extents at 4096 (300,000 bytes, five chunks) and behind it 100, 65,000, 100 bytes and 3 chunks.
class TransferPlanTest : public ::testing::Test {
 protected:
  TransferPlanTest() {
    ContainerBuilder builder;
    builder.layer("a").tensor("a.0", pattern_bytes(300'000, 1));
    builder.layer("b").tensor("b.0", pattern_bytes(100, 2)).tensor("b.1", pattern_bytes(65'000, 3));
    builder.tensor("b.2", pattern_bytes(100, 4)).tensor("b.3", pattern_bytes(3 * kChunk, 5));
    index_ = std::make_unique<format::Index>(builder.index());
  }
  [[nodiscard]] Result<std::vector<TransferPiece>> plan(const std::vector<TransferSource>& sources,
                                                        const PieceLimits& limits) const {
    return plan_transfer(*index_, sources, limits);
  }
  [[nodiscard]] std::uint64_t place(std::uint32_t extent) const {
    return index_->extents()[extent].offset;
  }
  std::unique_ptr<format::Index> index_;
};

TEST_F(TransferPlanTest, ReadsAnExtentInPiecesOfWholeChunksAndJoinsItsParts) {
  ASSERT_OK_AND_ASSIGN(const auto pieces, plan({{0, {0, 300'000}}}, {2 * kChunk + 100, 1}));
  ASSERT_EQ(pieces.size(), 3U);
  EXPECT_EQ(pieces[0].range, (ByteRange{4'096, 4'096 + 2 * kChunk}));
  EXPECT_EQ(pieces[0].chunks, (std::vector<PieceChunk>{{0, 0, 0, kChunk}, {0, 1, kChunk, kChunk}}));
  EXPECT_EQ(pieces[0].parts, (std::vector<TransferPart>{{0, 0, 0, 2 * kChunk}}));
  EXPECT_EQ(pieces[1].parts, (std::vector<TransferPart>{{0, 2 * kChunk, 0, 2 * kChunk}}));
  EXPECT_EQ(pieces[2].range, (ByteRange{4'096 + 4 * kChunk, 4'096 + 300'000}));
}

TEST_F(TransferPlanTest, ReadsWholeChunksOfAPartAndHandsOverItsBytesAlone) {
  ASSERT_OK_AND_ASSIGN(const auto pieces, plan({{0, {kChunk + 10, 2 * kChunk + 5}}}, {kMiB, 1}));
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].range, (ByteRange{4'096 + kChunk, 4'096 + 3 * kChunk}));
  EXPECT_EQ(pieces[0].parts, (std::vector<TransferPart>{{0, 0, 10, kChunk - 5}}));
}

TEST_F(TransferPlanTest, ReadsAChunkOnceForAllThatShareIt) {
  ASSERT_OK_AND_ASSIGN(const auto pieces,
                       plan({{0, {0, 300'000}}, {0, {100, 200}}, {0, {0, 300'000}}}, {kMiB, 1}));
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].chunks.size(), 5U);
  EXPECT_EQ(pieces[0].parts,
            (std::vector<TransferPart>{{0, 0, 0, 300'000}, {1, 0, 100, 100}, {2, 0, 0, 300'000}}));
}

TEST_F(TransferPlanTest, ReadsSmallNeighboursTogetherAndCopiesNoPaddingBetweenThem) {
  ASSERT_OK_AND_ASSIGN(const auto pieces,
                       plan({{1, {0, 100}}, {2, {0, 65'000}}, {3, {0, 100}}}, {kMiB, 4'096}));
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0].range.begin % 4'096, 0U);
  EXPECT_EQ(pieces[0].range.end % 4'096, 0U);
  EXPECT_EQ(pieces[0].chunks.size(), 3U);
  const std::uint64_t begin = pieces[0].range.begin;
  EXPECT_EQ(pieces[0].parts, (std::vector<TransferPart>{{0, 0, place(1) - begin, 100},
                                                        {1, 0, place(2) - begin, 65'000},
                                                        {2, 0, place(3) - begin, 100}}));
}

TEST_F(TransferPlanTest, LeavesOutWhatLiesBetweenDistantChunks) {
  ASSERT_OK_AND_ASSIGN(const auto pieces,
                       plan({{1, {0, 100}}, {4, {2 * kChunk, 3 * kChunk}}}, {kMiB, 1}));
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0].range.size(), 100U);
  EXPECT_EQ(pieces[1].range.size(), kChunk);
}

TEST_F(TransferPlanTest, PlansInFileOrderWhateverTheOrderOfTheSources) {
  ASSERT_OK_AND_ASSIGN(const auto pieces,
                       plan({{4, {0, 3 * kChunk}}, {0, {0, 300'000}}}, {kChunk, 1}));
  for (std::size_t i = 1; i < pieces.size(); ++i)
    EXPECT_LE(pieces[i - 1].range.end, pieces[i].range.begin);
}

TEST_F(TransferPlanTest, RejectsSlotsThatCannotHoldAChunkAndNamesASizeThatCan) {
  EXPECT_THAT(plan({{0, {0, 300'000}}}, {kChunk - 1, 1}),
              Fails(ErrorCode::kInvalidArgument,
                    "a staging slot of 65535 bytes cannot hold a chunk of 65536 bytes at offset "
                    "4096: 65536 bytes would do"));
  EXPECT_THAT(plan({{0, {0, 300'000}}}, {kChunk, 1}), testing::IsOk());
  EXPECT_THAT(plan({{0, {0, 300'000}}}, {kChunk, 4'096}), testing::IsOk());
  EXPECT_THAT(plan({{2, {0, 65'000}}}, {65'000, 4'096}),
              Fails(ErrorCode::kInvalidArgument,
                    "a chunk of 65000 bytes at offset 307456: 65536 bytes would do"));
}

TEST_F(TransferPlanTest, PlansNothingForNothing) {
  ASSERT_OK_AND_ASSIGN(const auto pieces, plan({{}, {0, {7, 7}}}, {kChunk, 1}));
  EXPECT_TRUE(pieces.empty());
}

TEST_F(TransferPlanTest, FindsTheWholeChunksOfARange) {
  const format::ExtentRow extent = index_->extents()[0];
  const auto whole = [&](std::uint64_t begin, std::uint64_t end) {
    return whole_chunks(extent, {begin, end});
  };
  EXPECT_EQ(whole(0, 300'000), (ByteRange{0, 300'000}));
  EXPECT_EQ(whole(1, 300'000), (ByteRange{kChunk, 300'000}));
  EXPECT_EQ(whole(0, 299'999), (ByteRange{0, 4 * kChunk}));
  EXPECT_EQ(whole(1, 2 * kChunk - 1), (ByteRange{2 * kChunk - 1, 2 * kChunk - 1}));
  EXPECT_EQ(whole(kChunk, 2 * kChunk), (ByteRange{kChunk, 2 * kChunk}));
  EXPECT_EQ(whole(5, 6), (ByteRange{6, 6}));
}

}  // namespace
}  // namespace wpack::load
