#include "load/slice_planner.h"

#include <gtest/gtest.h>

#include <random>

#include "load/test_container.h"
#include "support/slice_reference.h"

namespace wpack::testing {
namespace {

using load::PlannedPiece;
using load::PlannedRead;
using load::PlannedSlice;
using load::SlicePlan;
using load::SlicePlanOptions;

SlicePlan plan_of(const format::Index& index, const std::vector<SliceRequest>& requests,
                  const SlicePlanOptions& options = {}) {
  std::vector<PlannedSlice> slices;
  for (const SliceRequest& request : requests)
    slices.push_back(load::plan_slice(index, request).value());
  return load::plan_reads(index, std::move(slices), options).value();
}

SliceRequest slice(std::uint32_t tensor, std::uint32_t dim, std::vector<ElementRange> ranges) {
  return {.tensor = tensor, .part = {.dim = dim, .ranges = std::move(ranges)}};
}

std::vector<ByteRange> ranges_of(const SlicePlan& plan) {
  std::vector<ByteRange> ranges;
  for (const PlannedRead& read : plan.reads) ranges.push_back(read.range);
  return ranges;
}

// One tensor of 256 rows of 64 KiB, at 4 KiB of its shard.
class PlannedMatrixTest : public ::testing::Test {
 protected:
  static ContainerBuilder matrix() {
    ContainerBuilder builder;
    builder.layer("a")
        .tensor("w", std::vector<std::byte>(256 << 16))
        .shaped(DType::kU8, {256, 1 << 16});
    return builder;
  }
  const format::Index index_ = matrix().index();
};

TEST_F(PlannedMatrixTest, ReadsTheRowsOfAnOuterSliceInPieces) {
  const SlicePlan plan = plan_of(index_, {slice(0, 0, {{1, 65}})});
  const std::uint64_t begin = 4096 + (1 << 16);
  EXPECT_EQ(ranges_of(plan), (std::vector<ByteRange>{{begin, begin + (2 << 20)},
                                                     {begin + (2 << 20), begin + (4 << 20)}}));
  EXPECT_EQ(plan.cost, (ReadCost{4 << 20, 4 << 20, 2}));
  EXPECT_EQ(plan.cost.over_read(), 1.0);
}

TEST_F(PlannedMatrixTest, ReadsOnlyThePagesOfAnInnerSlice) {
  const SlicePlan plan = plan_of(index_, {slice(0, 1, {{5000, 9000}})});
  ASSERT_EQ(plan.reads.size(), 256U);
  EXPECT_EQ(plan.reads[3].range, (ByteRange{4096 + 3 * 65536 + 4096, 4096 + 3 * 65536 + 12288}));
  EXPECT_EQ(plan.cost, (ReadCost{256 * 4000, 256 * 8192, 256}));
}

TEST_F(PlannedMatrixTest, ReadsSmallGapsAlong) {
  const SlicePlan plan =
      plan_of(index_, {slice(0, 1, {{0, 1 << 15}, {(1 << 15) + 16384, 1 << 16}})});
  EXPECT_EQ(plan.cost.read_bytes, std::uint64_t{256} << 16);
  EXPECT_EQ(plan.cost.read_count, 8U);
  const SlicePlan apart =
      plan_of(index_, {slice(0, 1, {{0, 1 << 15}, {(1 << 15) + 20480, 1 << 16}})});
  EXPECT_EQ(apart.cost.over_read(), 1.0);
}

TEST_F(PlannedMatrixTest, RoundsOutToChunksWhereTheyAreToBeChecked) {
  const SlicePlan plan = plan_of(index_, {slice(0, 1, {{5000, 9000}})}, {.whole_chunks = true});
  EXPECT_EQ(plan.cost.read_bytes, std::uint64_t{256} << 16);
  for (const PlannedPiece& piece : plan.pieces) EXPECT_GT(piece.chunk_count, 0U);
  const SlicePlan row = plan_of(index_, {slice(0, 0, {{7, 8}})}, {.whole_chunks = true});
  ASSERT_EQ(row.pieces.size(), 1U);
  EXPECT_EQ(row.pieces[0].chunk_first, 7U);
  EXPECT_EQ(row.pieces[0].chunk_count, 1U);
  EXPECT_EQ(row.pieces[0].raw, (ByteRange{7 << 16, 8 << 16}));
}

TEST_F(PlannedMatrixTest, TakesTheAlignmentOfTheShard) {
  const auto first_read = [&](std::uint64_t alignment) {
    const load::ShardReads reads{.alignment = alignment};
    return plan_of(index_, {slice(0, 1, {{5000, 5100}})}, {.reads = {&reads, 1}}).reads[0].range;
  };
  EXPECT_EQ(first_read(1), (ByteRange{9096, 9196}));
  EXPECT_EQ(first_read(512), (ByteRange{8704, 9216}));
  EXPECT_EQ(first_read(4096), (ByteRange{8192, 12288}));
  EXPECT_EQ(first_read(65536).begin, 0U);
}

TEST_F(PlannedMatrixTest, CutsReadsAtTheSizeOfTheShard) {
  for (const bool whole_chunks : {false, true}) {
    const load::ShardReads large{.max_size = 16 << 20};
    const SlicePlan one = plan_of(index_, {slice(0, 0, {{0, 256}})},
                                  {.reads = {&large, 1}, .whole_chunks = whole_chunks});
    EXPECT_EQ(one.cost.read_count, 1U);
    const load::ShardReads small{.max_size = 64 << 10};
    const SlicePlan many = plan_of(index_, {slice(0, 0, {{0, 256}})},
                                   {.reads = {&small, 1}, .whole_chunks = whole_chunks});
    EXPECT_EQ(many.cost.read_count, 256U);
  }
}

TEST(SlicePlannerTest, CountsTheBlocksAroundChunksInTheSizeOfARead) {
  ContainerBuilder builder;
  builder.layer("a").tensor("odd", pattern_bytes(100, 1));
  builder.tensor("w", pattern_bytes(10 << 16, 2));  // at 4,352: chunks do not end at pages
  const load::ShardReads reads{.max_size = 4 << 16};
  const SlicePlan plan = plan_of(builder.index(), {slice(1, 0, {{0, 10 << 16}})},
                                 {.reads = {&reads, 1}, .whole_chunks = true});
  for (const PlannedRead& read : plan.reads) EXPECT_LE(read.range.size(), reads.max_size);
}

TEST_F(PlannedMatrixTest, CountsEqualSlicesOnce) {
  const SlicePlan plan = plan_of(index_, {slice(0, 0, {{1, 2}}), slice(0, 0, {{1, 2}})});
  EXPECT_EQ(plan.cost, (ReadCost{1 << 16, 1 << 16, 1}));
  EXPECT_EQ(plan.pieces[0].slice_count, 2U);
}

TEST_F(PlannedMatrixTest, PlansNothingForSlicesWithoutBytes) {
  const SlicePlan plan = plan_of(index_, {slice(0, 0, {{5, 5}}), slice(0, 1, {})});
  EXPECT_EQ(plan.slices.size(), 2U);
  EXPECT_TRUE(plan.reads.empty());
  EXPECT_EQ(plan.cost, ReadCost{});
  EXPECT_EQ(plan.cost.over_read(), 1.0);
}

TEST(SlicePlannerTest, PlansTensorsLayersAndEverything) {
  const format::Index index = sample_builder().index();
  const std::vector<SliceRequest> layer = load::request_layer(index, 1);
  ASSERT_EQ(layer.size(), 4U);
  EXPECT_EQ(layer.front().tensor, 1U);
  EXPECT_TRUE(layer.front().part.whole());
  // The small tensors of a layer are one read.
  const SlicePlan plan = plan_of(index, layer);
  EXPECT_EQ(plan.cost.read_count, 1U);
  EXPECT_EQ(plan.cost.needed_bytes, 768U + 200'001 + 1);
  const SlicePlan all = plan_of(index, load::request_everything(index));
  EXPECT_EQ(all.slices.size(), index.tensors().size());
  // Tied tensors once; the view into another one is not equal to it.
  EXPECT_EQ(all.cost.needed_bytes, 300'000U + 768 + 200'001 + 1 + 768 + 65'536 + 1024);
}

TEST(SlicePlannerTest, NamesWhatItRefuses) {
  const format::Index index = sample_builder().index();
  EXPECT_THAT(load::plan_slice(index, {.tensor = 99}),
              Fails(ErrorCode::kNotFound, "has no tensor '99'"));
  EXPECT_THAT(load::plan_slice(index, slice(1, 1, {})),
              Fails(ErrorCode::kInvalidArgument,
                    "tensor 'layers.0.norm': dimension 1 does not exist: there are 1"));
  EXPECT_THAT(load::plan_slice(index, slice(1, 0, {{700, 769}})),
              Fails(ErrorCode::kInvalidArgument,
                    "tensor 'layers.0.norm': range [700, 769) does not lie in the 768 elements"));
}

// Random containers, requests and options.
class RandomPlan {
 public:
  explicit RandomPlan(std::uint32_t seed) : random_(seed) {
    builder_.chunk_log2(static_cast<std::uint8_t>(pick(16, 18)));
    const std::uint64_t layers = pick(1, 3);
    for (std::uint64_t i = 0; i < layers; ++i) {
      if (i > 0 && pick(0, 1) == 0) builder_.new_shard();
      builder_.layer("l" + std::to_string(i));
      const std::uint64_t tensors = pick(1, 4);
      for (std::uint64_t j = 0; j < tensors; ++j) add_tensor(j > 0);
    }
    index_ = builder_.index();
    for (std::uint64_t i = pick(1, 6); i > 0; --i) {
      const auto tensor = static_cast<std::uint32_t>(pick(0, shapes_.size() - 1));
      SliceRequest request{.tensor = tensor};
      if (pick(0, 3) != 0) {
        const auto dim = static_cast<std::uint32_t>(pick(0, shapes_[tensor].size() - 1));
        request.part = random_part(random_, shapes_[tensor], dim);
      }
      requests_.push_back(std::move(request));
    }
    for (std::uint32_t i = 0; i < index_->shards().size(); ++i)
      reads_.push_back({.alignment = std::uint64_t{1} << pick(0, 16),
                        .max_size = std::uint64_t{1} << pick(14, 21)});
    options_ = {.reads = reads_,
                .max_gap = std::array<std::uint64_t, 4>{0, 100, 5000, 1 << 17}[pick(0, 3)],
                .whole_chunks = pick(0, 1) == 0};
  }

  // Executes the plan on the shards in memory and compares; checks the promises of the plan.
  void check() {
    const SlicePlan plan = plan_of(*index_, requests_, options_);
    std::vector<std::vector<std::byte>> out;
    for (const PlannedSlice& planned : plan.slices) out.emplace_back(planned.layout.nbytes);
    std::uint64_t read_bytes = 0;
    for (std::size_t i = 0; i < plan.reads.size(); ++i) {
      const PlannedRead& read = plan.reads[i];
      read_bytes += read.range.size();
      check_range(read);
      for (std::uint32_t j = 0; j < read.piece_count; ++j)
        copy(plan, read, read.piece_first + j, out);
    }
    EXPECT_EQ(plan.cost.read_bytes, read_bytes);
    EXPECT_EQ(plan.cost.read_count, plan.reads.size());
    EXPECT_LE(static_cast<double>(read_bytes), bound(plan));
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t tensor = requests_[i].tensor;
      const std::string name(index_->name_of(index_->tensors()[tensor]));
      EXPECT_EQ(out[i], reference_slice(builder_.oracle().at(name), dtypes_[tensor],
                                        shapes_[tensor], requests_[i].part));
    }
  }

 private:
  std::uint64_t pick(std::uint64_t least, std::uint64_t most) {
    return std::uniform_int_distribution<std::uint64_t>(least, most)(random_);
  }

  void add_tensor(bool may_be_empty) {
    const DType dtype = std::array{DType::kU8, DType::kBF16, DType::kF64}[pick(0, 2)];
    std::vector<std::uint64_t> shape(pick(1, 4));
    std::uint64_t left = std::uint64_t{1} << pick(4, 20);
    for (std::uint64_t& size : shape) {
      size = may_be_empty && pick(0, 20) == 0 ? 0 : pick(1, std::min<std::uint64_t>(left, 3000));
      left = std::max<std::uint64_t>(1, left / std::max<std::uint64_t>(size, 1));
    }
    const std::uint64_t nbytes = tensor_nbytes(dtype, shape).value();
    builder_.tensor("t" + std::to_string(shapes_.size()), pattern_bytes(nbytes, shapes_.size()))
        .shaped(dtype, shape);
    shapes_.push_back(std::move(shape));
    dtypes_.push_back(dtype);
  }

  void check_range(const PlannedRead& read) {
    const std::uint64_t alignment = reads_[read.shard].alignment;
    const std::uint64_t file_size = index_->shards()[read.shard].file_size;
    EXPECT_TRUE(base::is_aligned(read.range.begin, alignment));
    EXPECT_TRUE(base::is_aligned(read.range.end, alignment) || read.range.end == file_size);
    EXPECT_LT(read.range.begin, read.range.end);
    EXPECT_LE(read.range.end, file_size);
  }

  void copy(const SlicePlan& plan, const PlannedRead& read, std::uint32_t number,
            std::vector<std::vector<std::byte>>& out) {
    const PlannedPiece& piece = plan.pieces[number];
    const format::ExtentRow extent = index_->extents()[piece.extent];
    ASSERT_EQ(extent.shard, read.shard);
    ASSERT_GE(piece.stored.begin, read.range.begin);
    ASSERT_LE(piece.stored.end, read.range.end);
    ASSERT_EQ(piece.stored.begin, extent.offset + piece.raw.begin);
    ASSERT_EQ(piece.stored.size(), piece.raw.size());
    if (options_.whole_chunks) {
      const std::uint64_t chunk = std::uint64_t{1} << extent.chunk_log2;
      EXPECT_EQ(piece.raw.begin, piece.chunk_first * chunk);
      EXPECT_EQ(piece.raw.end,
                std::min((piece.chunk_first + piece.chunk_count) * chunk, extent.raw_size));
    }
    for (std::uint32_t i = 0; i < piece.slice_count; ++i) {
      const std::uint32_t to = plan.by_extent[piece.slice_first + i];
      const PlannedSlice& planned = plan.slices[to];
      ASSERT_EQ(planned.extent, piece.extent);
      const std::uint64_t nbytes = index_->tensors()[planned.tensor].nbytes;
      const std::uint64_t begin = std::max(piece.raw.begin, planned.base);
      const std::uint64_t end = std::min(piece.raw.end, planned.base + nbytes);
      if (begin >= end) continue;
      const Bytes file(builder_.shard(read.shard));
      base::copy_slice(planned.layout, {begin - planned.base, end - planned.base},
                       file.subspan(extent.offset + begin, end - begin), out[to]);
    }
  }

  // The formula of slice_planner.h.
  [[nodiscard]] double bound(const SlicePlan& plan) const {
    double align = 0;
    auto max_size = static_cast<double>(reads_.front().max_size);
    for (const load::ShardReads& shard : reads_) {
      align = std::max(align, static_cast<double>(shard.alignment - 1));
      max_size = std::min(max_size, static_cast<double>(shard.max_size));
    }
    const double unit =
        options_.whole_chunks
            ? static_cast<double>((std::uint64_t{1} << index_->extents()[0].chunk_log2) - 1)
            : 0.0;
    const double edges = 2 * align + 2 * unit + static_cast<double>(options_.max_gap);
    double sum = 0;
    for (const PlannedSlice& planned : plan.slices) {
      if (planned.layout.nbytes == 0) continue;
      const auto needed = static_cast<double>(planned.layout.nbytes);
      const auto runs = static_cast<double>(planned.layout.row_count * planned.layout.runs.size());
      const auto span = static_cast<double>(planned.layout.span().size());
      sum += std::min(needed + runs * edges, span + edges);
    }
    return sum + align * (1 + 2 * sum / max_size);
  }

  std::mt19937 random_;
  ContainerBuilder builder_;
  std::optional<format::Index> index_;
  std::vector<std::vector<std::uint64_t>> shapes_;
  std::vector<DType> dtypes_;
  std::vector<SliceRequest> requests_;
  std::vector<load::ShardReads> reads_;
  SlicePlanOptions options_;
};

TEST(SlicePlannerTest, KeepsItsPromisesForRandomShapesRequestsAndOptions) {
  for (std::uint32_t seed = 0; seed < 250; ++seed) {
    RandomPlan(seed).check();
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace wpack::testing
