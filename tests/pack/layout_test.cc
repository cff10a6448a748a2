#include "pack/layout.h"

#include <gtest/gtest.h>

#include "support/memory_source.h"
#include "support/result_matchers.h"

namespace wpack::packing {
namespace {

using testing::Fails;
using testing::MemorySource;

SourceDescription model() {
  MemorySource source;
  for (const char* name : {"lm_head.weight", "model.layers.10.w", "model.layers.2.w",
                           "model.layers.2.b", "model.embed_tokens.weight", "model.norm.weight"}) {
    source.add(name, std::vector<std::byte>(100));
  }
  return source.description();
}

std::vector<std::string> layer_names(const PackPlan& plan) {
  std::vector<std::string> names;
  for (const PlannedLayer& layer : plan.layers) names.push_back(layer.name);
  return names;
}

TEST(LayoutTest, KeepsTheSourcesOrderOfUse) {
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(model()));
  EXPECT_EQ(layer_names(plan),
            (std::vector<std::string>{"lm_head", "model.layers.10", "model.layers.2",
                                      "model.embed_tokens", "model.norm"}));
}

TEST(LayoutTest, DerivesTheOrderOfUseForSourcesThatSortByName) {
  SourceDescription source = model();
  source.order = SourceOrder::kName;
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(source));
  EXPECT_EQ(layer_names(plan),
            (std::vector<std::string>{"model.embed_tokens", "model.layers.2", "model.layers.10",
                                      "model.norm", "lm_head"}));
  EXPECT_EQ(source.tensors[plan.tensors[1].source_index].name, "model.layers.2.b");
}

TEST(LayoutTest, LaysOutARecordedOrderOfUseFirst) {
  SourceDescription source = model();
  source.order = SourceOrder::kName;
  const UseOrder order{{"lm_head", "model.layers.10"}};
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(source, {.use_order = order}));
  EXPECT_EQ(layer_names(plan),
            (std::vector<std::string>{"lm_head", "model.layers.10", "model.embed_tokens",
                                      "model.layers.2", "model.norm"}));
}

TEST(LayoutTest, RefusesAUseOrderOfAnotherModel) {
  EXPECT_THAT(plan_pack(model(), {.use_order = {{"lm_head", "model.layers.3"}}}),
              Fails(ErrorCode::kInvalidArgument,
                    "the use order names the layer 'model.layers.3', which the source does not "
                    "have"));
  EXPECT_THAT(plan_pack(model(), {.use_order = {{"lm_head", "model.norm", "lm_head"}}}),
              Fails(ErrorCode::kInvalidArgument, "names the layer 'lm_head' twice"));
  EXPECT_THAT(plan_pack(model(), {.exclude = {"lm_head.*"}, .use_order = {{"lm_head"}}}),
              Fails(ErrorCode::kInvalidArgument, "'lm_head', which the source does not have"));
}

TEST(LayoutTest, ClosesAShardBeforeALayerWouldOverflowIt) {
  MemorySource source;
  for (int i = 0; i < 5; ++i)
    source.add("h." + std::to_string(i) + ".w", std::vector<std::byte>(40'000));
  source.add("h.5.w", std::vector<std::byte>(200'000));
  PackOptions options;
  options.shard_size = 100'000;
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(source.description(), options));
  std::vector<std::uint32_t> shards;
  for (const PlannedLayer& layer : plan.layers) shards.push_back(layer.shard);
  EXPECT_EQ(shards, (std::vector<std::uint32_t>{0, 0, 1, 1, 2, 3}));
  EXPECT_EQ(plan.shard_count, 4U);
}

TEST(LayoutTest, WritesSmallTensorsOfALayerTogetherInFront) {
  MemorySource source;
  source.add("h.0.big", std::vector<std::byte>(100'000));
  source.add("h.0.norm", std::vector<std::byte>(10));
  source.add("h.0.bias", std::vector<std::byte>(20));
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(source.description()));
  EXPECT_EQ(write_order(source.description(), plan, plan.layers[0]),
            (std::vector<std::uint64_t>{1, 2, 0}));
}

TEST(LayoutTest, SelectsByIncludeThenExclude) {
  PackOptions options;
  options.include = {"model.layers.*"};
  options.exclude = {"*.b"};
  ASSERT_OK_AND_ASSIGN(const PackPlan plan, plan_pack(model(), options));
  EXPECT_EQ(plan.tensors.size(), 2U);
  EXPECT_EQ(plan.excluded_count, 4U);
  EXPECT_EQ(plan.payload_bytes, 200U);
}

TEST(LayoutTest, RejectsPatternsThatAreOfNoUse) {
  PackOptions options;
  options.exclude = {"*.typo"};
  EXPECT_THAT(plan_pack(model(), options),
              Fails(ErrorCode::kInvalidArgument, "exclude pattern '*.typo' matches no tensor"));
  options.exclude = {"*"};
  EXPECT_THAT(plan_pack(model(), options), Fails(ErrorCode::kBadInput, "no tensor to pack"));
}

TEST(LayoutTest, RejectsOptionsOutOfRange) {
  PackOptions options;
  options.shard_size = 1000;
  EXPECT_THAT(plan_pack(model(), options),
              Fails(ErrorCode::kInvalidArgument, "shard size of 1000 bytes"));
  options = {};
  options.shard_size = (std::uint64_t{1} << 48) + 1;
  EXPECT_THAT(plan_pack(model(), options), Fails(ErrorCode::kInvalidArgument, "shard size of"));
  options = {};
  options.chunk_log2 = 15;
  EXPECT_THAT(plan_pack(model(), options),
              Fails(ErrorCode::kInvalidArgument, "chunk size of 2^15"));
  options.chunk_log2 = 27;
  EXPECT_THAT(plan_pack(model(), options),
              Fails(ErrorCode::kInvalidArgument, "chunk size of 2^27"));
  options = {};
  options.layer_patterns = {""};
  EXPECT_THAT(plan_pack(model(), options), Fails(ErrorCode::kInvalidArgument, "empty segment"));
}

TEST(LayoutTest, RejectsTensorsThatTheFormatCannotHold) {
  const auto plan_one = [](std::string name, std::vector<std::uint64_t> shape) {
    MemorySource source;
    source.add_view(std::move(name), 0, 0, DType::kU8, std::move(shape));
    return plan_pack(source.description());
  };
  EXPECT_THAT(plan_one(std::string(4097, 'x'), {1}), Fails(ErrorCode::kLimit, "name of 1 to 4096"));
  EXPECT_THAT(plan_one("", {1}), Fails(ErrorCode::kLimit, "name of 1 to 4096"));
  EXPECT_THAT(plan_one("\xff", {1}), Fails(ErrorCode::kBadInput, "not UTF-8"));
  EXPECT_THAT(plan_one(std::string("a\0b", 3), {1}), Fails(ErrorCode::kBadInput, "without NUL"));
  EXPECT_THAT(plan_one("x", std::vector<std::uint64_t>(33, 1)),
              Fails(ErrorCode::kLimit, "32 dimensions"));
  EXPECT_THAT(plan_one("x", {std::uint64_t{1} << 50}), Fails(ErrorCode::kLimit, "'x'"));
}

TEST(LayoutTest, RejectsDescriptionsThatContradictThemselves) {
  SourceDescription description;
  description.tensors.push_back({.name = "w", .shape = {4}, .nbytes = 5, .storage = {}});
  EXPECT_THAT(plan_pack(description), Fails(ErrorCode::kBadInput, "'w' has a size that its shape"));
  description.tensors[0].shape = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  EXPECT_THAT(plan_pack(description), Fails(ErrorCode::kBadInput, "'w' has a size that its shape"));
}

TEST(LayoutTest, RejectsMoreThanTheFormatHolds) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 47;  // of what one file may hold
  MemorySource three;
  for (const char* name : {"layer.a", "layer.b", "layer.c"})
    three.add_view(name, 0, 0, DType::kU8, {kHalf});
  for (std::size_t i = 0; i < 3; ++i) three.mutable_description().tensors[i].storage.reset();
  EXPECT_THAT(plan_pack(three.description()),
              Fails(ErrorCode::kLimit, "layer 'layer' does not fit into the format's"));
  MemorySource attached;
  attached.add("w", testing::pattern_bytes(1, 1)).attach("a", {});
  attached.mutable_description().attachments[0].size = kHalf + 1;
  EXPECT_THAT(plan_pack(attached.description()),
              Fails(ErrorCode::kLimit, "attachment 'a' has 140737488355329 bytes"));
  SourceDescription layers;
  for (std::uint32_t i = 0; i <= 1'048'576; ++i) {
    layers.tensors.push_back(
        {.name = std::to_string(i) + ".w", .shape = {0}, .nbytes = 0, .storage = {}});
  }
  EXPECT_THAT(plan_pack(layers), Fails(ErrorCode::kLimit, "in 1048577 layers"));
}

}  // namespace
}  // namespace wpack::packing
