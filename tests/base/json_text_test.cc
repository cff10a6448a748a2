#include "base/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace wpack::base {
namespace {

constexpr std::size_t kMost = JsonText::kMaxTokenSize;

std::string quoted(std::size_t size) { return '"' + std::string(size - 2, 'x') + '"'; }

TEST(JsonTextTest, LetsTextsAndNumbersPassUpToItsLimit) {
  for (const std::string& text :
       {"[" + quoted(kMost) + "," + quoted(kMost) + "]", "[" + std::string(kMost, '1') + "]",
        "[" + quoted(kMost / 2) + ":" + quoted(kMost / 2) + "]",
        "[1" + std::string(2 * kMost, ' ') + "]"}) {
    EXPECT_FALSE(JsonText(text).find_defect());
  }
}

TEST(JsonTextTest, FindsTextsAndNumbersThatAreLonger) {
  for (const std::string& text :
       {"[" + quoted(kMost + 1) + "]", "[" + std::string(kMost + 1, '1') + "]",
        "[\"" + std::string(kMost, 'x'), "[\"\\\"" + std::string(kMost - 3, ',') + "\"]"}) {
    const auto defect = JsonText(text).find_defect();
    ASSERT_TRUE(defect);
    EXPECT_EQ(defect->code, ErrorCode::kLimit);
    EXPECT_EQ(defect->position, 1U);
  }
}

TEST(JsonTextTest, FindsThemBehindOthers) {
  const std::string front = R"({"a\\":"b\"","c":[true,-1.5e9],)";
  const auto defect = JsonText(front + quoted(kMost + 1)).find_defect();
  ASSERT_TRUE(defect);
  EXPECT_EQ(defect->position, front.size());
}

TEST(JsonTextTest, FindsWhatTheParserWouldLetPass) {
  const auto nul = JsonText(std::string_view("[1]\0", 4)).find_defect();
  ASSERT_TRUE(nul);
  EXPECT_EQ(nul->code, ErrorCode::kBadInput);
  EXPECT_EQ(nul->position, 3U);
  const auto mark = JsonText("\xef\xbb\xbf[1]").find_defect();
  ASSERT_TRUE(mark);
  EXPECT_EQ(mark->position, 0U);
}

}  // namespace
}  // namespace wpack::base
