#include "wpack/text.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace wpack {
namespace {

TEST(EscapeNameTest, LeavesOrdinaryNamesAlone) {
  EXPECT_EQ(escape_name("model.layers.0.weight"), "model.layers.0.weight");
  EXPECT_EQ(escape_name("gewicht.größe.重み"), "gewicht.größe.重み");
}

TEST(EscapeNameTest, EscapesWhatCouldDriveATerminal) {
  EXPECT_EQ(escape_name("a\x1b[31mb\nc\x7f"), "a\\x1b[31mb\\x0ac\\x7f");
  EXPECT_EQ(escape_name("a\xc2\x9b"), "a\\u{009b}");
  EXPECT_EQ(escape_name("a\xe2\x80\xae"), "a\\u{202e}");
  EXPECT_EQ(escape_name("a\\b"), "a\\\\b");
}

TEST(EscapeNameTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(escape_name("a\xff\xc3"), "a\\xff\\xc3");
}

TEST(EscapeNameTest, LeavesOutTheMiddleOfLongNames) {
  const std::string text = escape_name(std::string(100, 'a') + std::string(100, 'b'), 13);
  EXPECT_EQ(text, "aaaaa...bbbbb");
}

TEST(Utf8Test, RejectsOverlongSurrogateAndOutOfRangeForms) {
  EXPECT_FALSE(base::is_utf8("\xc0\x80"));
  EXPECT_FALSE(base::is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(base::is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(base::decode_utf8("\xc0\x80"));
  EXPECT_FALSE(base::decode_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(base::decode_utf8("\xf4\x90\x80\x80"));
  EXPECT_TRUE(base::is_utf8("\xf4\x8f\xbf\xbf"));
  EXPECT_EQ(base::decode_utf8("\xf4\x8f\xbf\xbf")->code_point, char32_t{0x10FFFF});
}

TEST(UuidTest, PrintsThirtyTwoHexadecimalDigits) {
  Uuid uuid;
  uuid.bytes[0] = 0xAB;
  uuid.bytes[15] = 0x01;
  EXPECT_EQ(to_string(uuid), "ab000000000000000000000000000001");
}

}  // namespace
}  // namespace wpack
