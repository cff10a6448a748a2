#include "base/glob.h"

#include <gtest/gtest.h>

#include <string>

namespace wpack::base {
namespace {

TEST(GlobTest, MatchesRunsSingleBytesAndLiterals) {
  EXPECT_TRUE(glob_matches("*.weight", "model.norm.weight"));
  EXPECT_TRUE(glob_matches("h.?.attn*", "h.1.attn.bias"));
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*b*c", "a.b.b.c"));
}

TEST(GlobTest, RejectsWhatOnlyMatchesInPart) {
  EXPECT_FALSE(glob_matches("weight", "model.weight"));
  EXPECT_FALSE(glob_matches("h.?.attn", "h.10.attn"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_FALSE(glob_matches("[a]", "a"));
}

TEST(GlobTest, SurvivesPatternsMadeToBeSlow) {
  const std::string name(4096, 'a');
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  EXPECT_FALSE(glob_matches(pattern + "b", name));
}

}  // namespace
}  // namespace wpack::base
