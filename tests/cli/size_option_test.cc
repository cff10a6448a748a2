#include "size_option.h"

#include <gtest/gtest.h>

#include "support/result_matchers.h"

namespace wpack::cli {
namespace {

using testing::Fails;

std::uint64_t size_of(std::string_view text) { return parse_size(text).value_or(~0ULL); }

TEST(SizeOptionTest, ReadsPlainBytes) {
  EXPECT_EQ(size_of("0"), 0U);
  EXPECT_EQ(size_of("65536"), 65536U);
  EXPECT_EQ(size_of("12B"), 12U);
  EXPECT_EQ(size_of("18446744073709551615"), ~0ULL);
}

TEST(SizeOptionTest, ReadsPowersOf1024) {
  EXPECT_EQ(size_of("64K"), 64U << 10);
  EXPECT_EQ(size_of("64k"), 64U << 10);
  EXPECT_EQ(size_of("64KiB"), 64U << 10);
  EXPECT_EQ(size_of("64M"), 64U << 20);
  EXPECT_EQ(size_of("4GiB"), std::uint64_t{4} << 30);
  EXPECT_EQ(size_of("4gib"), std::uint64_t{4} << 30);
  EXPECT_EQ(size_of("2T"), std::uint64_t{2} << 40);
}

TEST(SizeOptionTest, ReadsPowersOf1000) {
  EXPECT_EQ(size_of("1kB"), 1000U);
  EXPECT_EQ(size_of("3MB"), 3'000'000U);
  EXPECT_EQ(size_of("5GB"), 5'000'000'000U);
  EXPECT_EQ(size_of("1TB"), 1'000'000'000'000U);
}

TEST(SizeOptionTest, RejectsWhatIsNoSize) {
  for (const char* text :
       {"", "G", "4X", "4GiBs", "-1", "+1", " 4", "4 G", "0x10", "1.5G", "4Gi", "4BB", "4Bi"}) {
    EXPECT_THAT(parse_size(text), Fails(ErrorCode::kInvalidArgument, "is not a size")) << text;
  }
}

TEST(SizeOptionTest, RejectsWhatDoesNotFit) {
  for (const char* text : {"18446744073709551616", "99999999999999999999999", "16777216T"}) {
    EXPECT_THAT(parse_size(text), Fails(ErrorCode::kInvalidArgument, "64 bits")) << text;
  }
}

TEST(SizeOptionTest, EscapesTheTextInItsError) {
  EXPECT_THAT(parse_size("4\x1b[2J"), Fails(ErrorCode::kInvalidArgument, "4\\x1b[2J"));
}

}  // namespace
}  // namespace wpack::cli
