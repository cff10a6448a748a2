#include "pack/layer_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/result_matchers.h"

namespace wpack::packing {
namespace {

using testing::Fails;

std::string layer_of(std::string_view name) {
  return std::string(LayerRules::create({}).value().layer_of(name));
}

TEST(LayerRulesTest, FindsTheBlocksOfWellKnownModels) {
  EXPECT_EQ(layer_of("model.layers.11.mlp.up_proj.weight"), "model.layers.11");
  EXPECT_EQ(layer_of("h.3.attn.c_attn.weight"), "h.3");
  EXPECT_EQ(layer_of("transformer.h.3.attn.c_attn.weight"), "transformer.h.3");
  EXPECT_EQ(layer_of("blocks.0.norm1.weight"), "blocks.0");
  EXPECT_EQ(layer_of("bert.encoder.layer.9.output.dense.bias"), "bert.encoder.layer.9");
  EXPECT_EQ(layer_of("visual.transformer.resblocks.2.ln_1.weight"),
            "visual.transformer.resblocks.2");
}

TEST(LayerRulesTest, KeepsTheExpertsOfABlockInTheBlock) {
  EXPECT_EQ(layer_of("model.layers.4.block_sparse_moe.experts.7.w1.weight"), "model.layers.4");
}

TEST(LayerRulesTest, FallsBackToTheFirstNumberThenTheModule) {
  EXPECT_EQ(layer_of("layer1.0.conv1.weight"), "layer1.0");
  EXPECT_EQ(layer_of("features.3.weight"), "features.3");
  EXPECT_EQ(layer_of("model.embed_tokens.weight"), "model.embed_tokens");
  EXPECT_EQ(layer_of("bert.embeddings.LayerNorm.weight"), "bert.embeddings");
  EXPECT_EQ(layer_of("lm_head.weight"), "lm_head");
  EXPECT_EQ(layer_of("scale"), "scale");
  EXPECT_EQ(layer_of(".x"), ".x");
}

TEST(LayerRulesTest, PutsTheUsersPatternsInPlaceOfItsOwn) {
  const auto rules = LayerRules::create({"model.layers.N.mlp"});
  ASSERT_TRUE(rules);
  EXPECT_EQ(rules->layer_of("model.layers.0.mlp.up.weight"), "model.layers.0.mlp");
  EXPECT_EQ(rules->layer_of("model.layers.0.attn.q.weight"), "model.layers.0.attn.q");
  EXPECT_THAT(LayerRules::create({"a."}), Fails(ErrorCode::kInvalidArgument, "empty segment"));
}

TEST(LayerStageTest, OrdersEmbeddingsBlocksNormsAndHeads) {
  EXPECT_EQ(stage_of_layer("model.embed_tokens"), LayerStage::kInput);
  EXPECT_EQ(stage_of_layer("transformer.wte"), LayerStage::kInput);
  EXPECT_EQ(stage_of_layer("model.layers.0"), LayerStage::kBlocks);
  EXPECT_EQ(stage_of_layer("conv1"), LayerStage::kBlocks);
  EXPECT_EQ(stage_of_layer("model.norm"), LayerStage::kNorm);
  EXPECT_EQ(stage_of_layer("transformer.ln_f"), LayerStage::kNorm);
  EXPECT_EQ(stage_of_layer("lm_head"), LayerStage::kHead);
}

}  // namespace
}  // namespace wpack::packing
