#include "pack/name_pattern.h"

#include <gtest/gtest.h>

#include "support/result_matchers.h"

namespace wpack::packing {
namespace {

using testing::Fails;

std::string match(std::string_view pattern, std::string_view name) {
  const auto parsed = LayerPattern::parse(pattern);
  return parsed ? std::string(parsed->match(name).value_or("")) : "malformed";
}

TEST(LayerPatternTest, MatchesNumberedSegmentsFromTheFront) {
  EXPECT_EQ(match("decoder.blocks.N", "decoder.blocks.12.mlp.weight"), "decoder.blocks.12");
  EXPECT_EQ(match("decoder.*.N", "decoder.blocks.1.mlp"), "decoder.blocks.1");
  EXPECT_EQ(match("decoder.blocks.N", "model.decoder.blocks.1.mlp"), "");
  EXPECT_EQ(match("decoder.blocks.N", "decoder.blocks.x.mlp"), "");
}

TEST(LayerPatternTest, TakesTheShortestFrontWhereStarsLeaveAChoice) {
  EXPECT_EQ(match("**.layers.N", "a.layers.0.b.layers.1.weight"), "a.layers.0");
  EXPECT_EQ(match("**.layers.N", "layers.7.weight"), "layers.7");
}

TEST(LayerPatternTest, NeverMatchesTheWholeName) {
  EXPECT_EQ(match("h.N", "h.0"), "");
  EXPECT_EQ(match("**", "a.b"), "a");
}

TEST(LayerPatternTest, NeverMatchesTheNothingBeforeALeadingDot) {
  EXPECT_EQ(LayerPattern::parse("*").value().match(".weight"), std::nullopt);
  EXPECT_EQ(LayerPattern::parse("**").value().match(".weight"), std::nullopt);
  EXPECT_EQ(match("**", ".a.weight"), ".a");
}

TEST(LayerPatternTest, RejectsEmptySegments) {
  EXPECT_THAT(LayerPattern::parse(""), Fails(ErrorCode::kInvalidArgument, "empty segment"));
  EXPECT_THAT(LayerPattern::parse("a..N"), Fails(ErrorCode::kInvalidArgument, "'a..N'"));
}

}  // namespace
}  // namespace wpack::packing
