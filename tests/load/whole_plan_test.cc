// What is planned for whole layers and tensors is what is asked of the shards for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "load/engine_policy.h"
#include "load/test_container.h"
#include "support/recording_reader.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kPage = 4096;

// A large tensor, one that is tied to it from another layer, and small ones, in two shards.
ContainerBuilder large_builder() {
  ContainerBuilder builder;
  builder.layer("embed").tensor("embed.weight", pattern_bytes(19'000'000, 1));
  builder.layer("a").tensor("a.0", pattern_bytes(3'000'000, 2)).tensor("a.1", pattern_bytes(77, 3));
  builder.view("a.part", "a.0", 1'100'000, 1'000).tensor("a.empty", {});
  builder.new_shard().layer("b").tensor("b.0", pattern_bytes(5'000'001, 4));
  builder.layer("head").view("head.weight", "embed.weight", 0, 19'000'000);
  return builder;
}

class WholePlanTest : public ::testing::Test {
 protected:
  // Of all layers, and of all tensors.
  static std::vector<std::uint32_t> numbers(std::uint32_t count) {
    std::vector<std::uint32_t> all(count);
    std::iota(all.begin(), all.end(), 0U);
    return all;
  }
  [[nodiscard]] Container open_recording(std::uint64_t budget) const {
    load::Engines engines = test_engines(budget);
    engines.make_reader =
        [recorded = recorded_](const ReadChoice& choice) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(2));
      return std::make_unique<RecordingReader>(std::move(reader),
                                               ReadLimits{.max_in_flight = choice.depth}, recorded);
    };
    const OpenOptions options{.access = AccessMode::kRead, .readahead_layers = 0};
    return load::open_container(path_, options, std::move(engines)).value();
  }
  // What was read since it was last asked for, without the shards.
  std::vector<ByteRange> take_recorded() {
    auto ranges = std::exchange(recorded_->ranges, {});
    std::ranges::sort(ranges, {},
                      [](ByteRange range) { return std::pair(range.begin, range.end); });
    return ranges;
  }
  static std::vector<ByteRange> ranges_of(const ReadPlan& plan) {
    std::vector<ByteRange> ranges;
    for (const ShardRead& read : plan.reads) ranges.push_back(read.range);
    std::ranges::sort(ranges, {},
                      [](ByteRange range) { return std::pair(range.begin, range.end); });
    return ranges;
  }

  TempDir directory_;
  ContainerBuilder builder_ = large_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
  std::shared_ptr<RecordedReads> recorded_ = std::make_shared<RecordedReads>();
};

TEST_F(WholePlanTest, NamesTheReadsOfEveryLayer) {
  const Container container = open_recording(load::MemoryBudget::kUnlimited);
  for (const Layer& layer : container.layers()) {
    const std::uint32_t id = layer.info().id;
    ASSERT_OK_AND_ASSIGN(const ReadPlan plan, container.plan_whole({&id, 1}, {}));
    const std::uint64_t before = container.stats().read_bytes;
    ASSERT_THAT(layer.acquire(), IsOk());
    EXPECT_EQ(take_recorded(), ranges_of(plan)) << layer.name();
    EXPECT_EQ(container.stats().read_bytes - before, plan.cost.read_bytes);
    EXPECT_EQ(plan.cost.read_count, plan.reads.size());
    layer.release();
  }
}

TEST_F(WholePlanTest, NamesTheReadsOfEveryTensor) {
  const Container container = open_recording(load::MemoryBudget::kUnlimited);
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
    ASSERT_OK_AND_ASSIGN(const ReadPlan plan, container.plan_whole({}, {&id, 1}));
    ASSERT_THAT(container.tensor(id), IsOk());
    EXPECT_EQ(take_recorded(), ranges_of(plan)) << container.tensor_info(id).name;
    EXPECT_EQ(plan.cost.needed_bytes, container.tensor_info(id).nbytes);
  }
}

TEST_F(WholePlanTest, CountsWhatSeveralShareOnce) {
  const Container container = open_recording(load::MemoryBudget::kUnlimited);
  const auto layers = numbers(container.layer_count());
  const auto tensors = numbers(container.tensor_count());
  ASSERT_OK_AND_ASSIGN(const ReadPlan plan, container.plan_whole(layers, tensors));
  std::vector<LayerView> views;
  for (const Layer& layer : container.layers()) {
    ASSERT_OK_AND_ASSIGN(LayerView view, layer.acquire());
    views.push_back(std::move(view));
  }
  EXPECT_EQ(take_recorded(), ranges_of(plan));
  EXPECT_EQ(plan.cost.needed_bytes, 19'000'000U + 3'000'000 + 77 + 1'000 + 5'000'001);
}

TEST_F(WholePlanTest, CutsReadsAsASmallBudgetDoes) {
  ASSERT_OK_AND_ASSIGN(const Container large, open_with(path_, {.access = AccessMode::kRead}));
  ASSERT_OK_AND_ASSIGN(const Container small, open_with(path_, {.memory_budget = 1 << 20}));
  const std::uint32_t embed = 0;
  ASSERT_OK_AND_ASSIGN(const ReadPlan whole, large.plan_whole({&embed, 1}, {}));
  ASSERT_OK_AND_ASSIGN(const ReadPlan cut, small.plan_whole({&embed, 1}, {}));
  EXPECT_EQ(cut.cost.read_bytes, whole.cost.read_bytes);
  EXPECT_EQ(cut.reads.front().range.size(), 1U << 20);
  EXPECT_GT(cut.reads.size(), whole.reads.size());
}

TEST_F(WholePlanTest, NamesThePagesOfMappedLayersAndTensorsWithoutOverlap) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {.access = AccessMode::kMap}));
  const auto layers = numbers(container.layer_count());
  const auto tensors = numbers(container.tensor_count());
  ASSERT_OK_AND_ASSIGN(const ReadPlan plan, container.plan_whole(layers, tensors));
  std::uint64_t pages = 0;
  for (const Layer& layer : container.layers()) pages += layer.info().range.size();
  EXPECT_EQ(plan.cost.read_bytes, pages);
  for (std::size_t i = 0; i < plan.reads.size(); ++i) {
    EXPECT_LE(plan.reads[i].range.size(), load::kReadInPieceSize);
    if (i == 0 || plan.reads[i - 1].shard != plan.reads[i].shard) continue;
    EXPECT_LE(plan.reads[i - 1].range.end, plan.reads[i].range.begin);
  }
}

TEST_F(WholePlanTest, NamesThePagesOfOneMappedTensorOrTheChunksThatAreChecked) {
  const OpenOptions checked{.verify = VerifyPolicy::kTouch, .access = AccessMode::kMap};
  ASSERT_OK_AND_ASSIGN(const Container touch, open_with(path_, checked));
  ASSERT_OK_AND_ASSIGN(const Container index, open_with(path_, {.access = AccessMode::kMap}));
  const TensorInfo tensor = index.find("a.part").value();
  ASSERT_OK_AND_ASSIGN(const ReadPlan pages, index.plan_whole({}, {&tensor.id, 1}));
  ASSERT_EQ(pages.reads.size(), 1U);
  EXPECT_EQ(pages.reads[0].range.begin, tensor.offset / kPage * kPage);
  EXPECT_LE(pages.cost.read_bytes, 2 * kPage);
  ASSERT_OK_AND_ASSIGN(const ReadPlan chunks, touch.plan_whole({}, {&tensor.id, 1}));
  ASSERT_EQ(chunks.reads.size(), 1U);
  EXPECT_LE(chunks.reads[0].range.begin, pages.reads[0].range.begin);
  EXPECT_GT(chunks.cost.read_bytes, pages.cost.read_bytes);
  ASSERT_THAT(touch.tensor(tensor.id), IsOk());
  EXPECT_GE(chunks.cost.read_bytes, touch.stats().verified_bytes);
}

TEST_F(WholePlanTest, RefusesWhatIsNotThere) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  const std::uint32_t none = 99;
  EXPECT_THAT(container.plan_whole({&none, 1}, {}), Fails(ErrorCode::kNotFound, "no layer '99'"));
  EXPECT_THAT(container.plan_whole({}, {&none, 1}), Fails(ErrorCode::kNotFound, "no tensor '99'"));
  ASSERT_OK_AND_ASSIGN(const ReadPlan nothing, container.plan_whole({}, {}));
  EXPECT_EQ(nothing.cost, ReadCost{});
}

}  // namespace
}  // namespace wpack::testing
