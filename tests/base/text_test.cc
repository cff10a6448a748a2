#include "wpack/text.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"

namespace wpack {
namespace {

// `text`, which is escaped, as escape_name() cuts it.
std::string cut(const std::string& text, std::size_t max_size) {
  if (text.size() <= max_size) return text;
  const std::size_t kept = max_size > 3 ? (max_size - 3) / 2 : 0;
  std::size_t head = kept;
  while (head > 0 && base::is_utf8_continuation(text[head])) --head;
  std::size_t tail = text.size() - kept;
  while (tail < text.size() && base::is_utf8_continuation(text[tail])) ++tail;
  return text.substr(0, head) + "..." + text.substr(tail);
}

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

TEST(EscapeNameTest, KeepsWhatTheWholeEscapedNameBeginsAndEndsWith) {
  // Characters of every length, whole and cut, and bytes that begin none or belong to none.
  const std::string_view pieces[] = {"a",    "\x1b", "\\",           "\xc2\x9b",         "ß",
                                     "重",   "\xff", "\xe2\x80\xae", "\xf4\x8f\xbf\xbf", "\xe2\x80",
                                     "\x80", "\xf0", "\x80\x80\x80"};
  std::minstd_rand random(1);
  for (int run = 0; run < 20'000; ++run) {
    std::string name;
    for (std::size_t left = random() % 30; left > 0; --left)
      name += pieces[random() % std::size(pieces)];
    const std::size_t max_size = random() % 64;
    EXPECT_EQ(escape_name(name, max_size), cut(escape_name(name, 10'000), max_size));
  }
}

TEST(EscapeNameTest, CutsNamesOfAnyLengthAtOnce) {
  const std::string name = std::string(std::size_t{64} << 20, '\x01') + "end";
  std::string text;
  for (int run = 0; run < 10'000; ++run) text = escape_name(name, 13);
  EXPECT_EQ(text, "\\x01\\...01end");
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
