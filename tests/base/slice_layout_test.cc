#include "base/slice_layout.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "support/slice_reference.h"

namespace wpack::base {
namespace {

using testing::Fails;
using testing::pattern_bytes;
using testing::reference_slice;

Result<SliceLayout> layout(DType dtype, const std::vector<std::uint64_t>& shape, std::uint32_t dim,
                           std::vector<ElementRange> ranges) {
  return layout_of_slice(*find_dtype(dtype), shape, {.dim = dim, .ranges = std::move(ranges)});
}

TEST(SliceLayoutTest, DescribesRowsAndTheirRuns) {
  ASSERT_OK_AND_ASSIGN(const SliceLayout rows, layout(DType::kF32, {2, 6, 5}, 1, {{1, 2}, {4, 6}}));
  EXPECT_EQ(rows.shape, (std::vector<std::uint64_t>{2, 3, 5}));
  EXPECT_EQ(rows.nbytes, 120U);
  EXPECT_EQ(rows.row_count, 2U);
  EXPECT_EQ(rows.row_size, 120U);
  EXPECT_EQ(rows.runs, (std::vector<RowRun>{{20, 20, 0}, {80, 40, 20}}));
  EXPECT_EQ(rows.span(), (ByteRange{20, 240}));
  EXPECT_FALSE(rows.contiguous());
}

TEST(SliceLayoutTest, KnowsWhatIsOneUnbrokenRun) {
  EXPECT_TRUE(layout(DType::kF32, {8, 3}, 0, {{2, 5}}).value().contiguous());
  EXPECT_TRUE(layout(DType::kF32, {1, 1, 8, 3}, 2, {{2, 5}}).value().contiguous());
  EXPECT_TRUE(layout(DType::kF32, {8, 3}, 0, {{2, 3}, {3, 3}, {3, 5}}).value().contiguous());
  EXPECT_TRUE(layout(DType::kF32, {8, 3}, 1, {{0, 3}}).value().contiguous());
  EXPECT_FALSE(layout(DType::kF32, {8, 3}, 1, {{0, 2}}).value().contiguous());
  EXPECT_FALSE(layout(DType::kF32, {8, 3}, 0, {{0, 2}, {3, 4}}).value().contiguous());
  EXPECT_TRUE(layout_of_slice(*find_dtype(DType::kF32), std::vector<std::uint64_t>{}, {})
                  .value()
                  .contiguous());
}

TEST(SliceLayoutTest, HasNoRunsWhereThereAreNoBytes) {
  const std::uint64_t large = std::uint64_t{1} << 60;
  for (const auto& empty :
       {layout(DType::kU8, {4, 3}, 0, {{2, 2}}), layout(DType::kU8, {4, 3}, 1, {}),
        layout(DType::kU8, {4, 0}, 0, {{1, 3}}), layout(DType::kU8, {0, 4}, 0, {{0, 0}}),
        layout(DType::kF64, {large, 0, large}, 2, {{1, large}})}) {
    ASSERT_THAT(empty, testing::IsOk());
    EXPECT_EQ(empty->nbytes, 0U);
    EXPECT_EQ(empty->row_count, 0U);
    EXPECT_TRUE(empty->runs.empty());
    EXPECT_EQ(empty->span(), ByteRange{});
  }
  EXPECT_EQ(layout(DType::kU8, {4, 0}, 0, {{1, 3}}).value().shape,
            (std::vector<std::uint64_t>{2, 0}));
}

TEST(SliceLayoutTest, RefusesPartsThatDoNotExist) {
  const auto invalid = ErrorCode::kInvalidArgument;
  EXPECT_THAT(layout(DType::kU8, {4, 3}, 2, {}),
              Fails(invalid, "dimension 2 does not exist: there are 2"));
  EXPECT_THAT(layout(DType::kU8, {}, 0, {{0, 1}}), Fails(invalid, "there are 0"));
  EXPECT_THAT(layout(DType::kU8, {4, 3}, 0, {{2, 5}}),
              Fails(invalid, "range [2, 5) does not lie in the 4 elements of dimension 0"));
  EXPECT_THAT(layout(DType::kU8, {4, 3}, 0, {{3, 2}}), Fails(invalid, "range [3, 2)"));
  EXPECT_THAT(layout(DType::kU8, {4, 3}, 0, {{0, 2}, {1, 3}}),
              Fails(invalid, "range [1, 3) of dimension 0 begins before the one before it ends"));
  EXPECT_THAT(layout(DType::kU8, {4}, 0, {{std::numeric_limits<std::uint64_t>::max(), 1}}),
              Fails(invalid, "does not lie"));
  const std::uint64_t large = std::uint64_t{1} << 62;
  EXPECT_THAT(layout(DType::kU8, {large, large}, 0, {{0, 1}}), Fails(invalid, "64 bits"));
}

TEST(SliceLayoutTest, CutsSmallElementsOnlyBetweenBytes) {
  const auto invalid = ErrorCode::kInvalidArgument;
  EXPECT_EQ(layout(DType::kF4, {4, 6}, 1, {{2, 4}}).value().runs, (std::vector<RowRun>{{1, 1, 0}}));
  EXPECT_EQ(layout(DType::kI2, {2, 8}, 1, {{4, 8}}).value().runs, (std::vector<RowRun>{{1, 1, 0}}));
  EXPECT_EQ(layout(DType::kF6E2M3, {8}, 0, {{4, 8}}).value().runs,
            (std::vector<RowRun>{{3, 3, 0}}));
  EXPECT_THAT(layout(DType::kF4, {4, 6}, 1, {{1, 4}}),
              Fails(invalid,
                    "range [1, 4) of dimension 1 does not begin and end at a byte: "
                    "elements have 4 bits"));
  EXPECT_THAT(layout(DType::kF4, {4, 6}, 1, {{2, 5}}), Fails(invalid, "at a byte"));
  EXPECT_THAT(layout(DType::kF6E2M3, {8}, 0, {{1, 4}}), Fails(invalid, "6 bits"));
  // Rows that begin inside a byte, and the same cut where there is only one row.
  EXPECT_THAT(layout(DType::kF4, {4, 5}, 1, {{0, 2}}), Fails(invalid, "at a byte"));
  EXPECT_THAT(layout(DType::kF4, {1, 5}, 1, {{0, 2}}), testing::IsOk());
  // The last byte of a tensor may be used in part.
  EXPECT_EQ(layout(DType::kF4, {5}, 0, {{4, 5}}).value().nbytes, 1U);
  EXPECT_EQ(layout(DType::kF4, {3, 3}, 0, {{2, 3}}).value().nbytes, 2U);
  EXPECT_EQ(layout(DType::kF4, {3, 3}, 1, {{0, 3}}).value().nbytes, 5U);
}

// The tensor comes in windows of random sizes and in random order, as reads do.
TEST(SliceLayoutTest, CopiesWhatAReferenceCopiesWhateverTheWindows) {
  std::mt19937 random(7);
  const auto pick = [&](std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random);
  };
  for (int round = 0; round < 500; ++round) {
    std::vector<std::uint64_t> shape(pick(1, 4));
    for (std::uint64_t& size : shape) size = pick(1, 7);
    const DType dtype = std::array{DType::kU8, DType::kBF16, DType::kF32, DType::kC128}[pick(0, 3)];
    const auto dim = static_cast<std::uint32_t>(pick(0, shape.size() - 1));
    const TensorPart part = testing::random_part(random, shape, dim);
    const std::uint64_t nbytes = tensor_nbytes(dtype, shape).value();
    const std::vector<std::byte> bytes = pattern_bytes(nbytes, static_cast<std::uint64_t>(round));
    ASSERT_OK_AND_ASSIGN(const SliceLayout slice, layout_of_slice(*find_dtype(dtype), shape, part));
    std::vector<ByteRange> windows;
    for (std::uint64_t at = 0; at < nbytes;) {
      const std::uint64_t size = std::min(pick(1, 40), nbytes - at);
      windows.push_back({at, at + size});
      at += size;
    }
    std::ranges::shuffle(windows, random);
    std::vector<std::byte> out(slice.nbytes);
    for (const ByteRange& window : windows)
      copy_slice(slice, window, Bytes(bytes).subspan(window.begin, window.size()), out);
    EXPECT_EQ(out, reference_slice(bytes, dtype, shape, part)) << "round " << round;
    EXPECT_EQ(tensor_nbytes(dtype, slice.shape), slice.nbytes);
  }
}

}  // namespace
}  // namespace wpack::base
