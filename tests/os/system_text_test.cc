#include "os/system_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wpack::os {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SystemTextTest, ReadsANumberWithItsEndOfLine) {
  EXPECT_EQ(parse_number("8192\n"), 8192U);
  EXPECT_EQ(parse_number(" 18446744073709551615 "), UINT64_MAX);
}

TEST(SystemTextTest, RejectsWhatIsNoNumber) {
  for (const char* text :
       {"", "\n", "-1", "+1", "1 2", "1kB", "0x10", "18446744073709551616", "max"})
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

TEST(SystemTextTest, SplitsAtBlanksAndAtSeparators) {
  EXPECT_THAT(split_words("  a\tb \n c\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_words(" \n"), IsEmpty());
  EXPECT_THAT(split_at("a,,b", ','), ElementsAre("a", "", "b"));
  EXPECT_THAT(split_at("", ','), ElementsAre(""));
}

TEST(SystemTextTest, FindsTheLineOfAKeyAndNotOneThatOnlyStartsWithIt) {
  constexpr const char* kStat = "inactive_file_x 1\ntotal_inactive_file 2\ninactive_file 4096\n";
  EXPECT_EQ(find_number(kStat, "inactive_file"), 4096U);
  EXPECT_EQ(find_number(kStat, "active_file"), std::nullopt);
  EXPECT_EQ(find_number("key", "key"), std::nullopt);
  EXPECT_EQ(find_number("key much\n", "key"), std::nullopt);
}

TEST(SystemTextTest, ReadsMeminfoWithAndWithoutAUnit) {
  constexpr const char* kMeminfo =
      "MemTotal:       24684084 kB\nMemAvailable:   23608432 kB\nHugePages_Free:        3\n"
      "Huge:  18014398509481985 kB\n";
  EXPECT_EQ(find_meminfo(kMeminfo, "MemAvailable"), std::uint64_t{23608432} * 1024);
  EXPECT_EQ(find_meminfo(kMeminfo, "HugePages_Free"), 3U);
  EXPECT_EQ(find_meminfo(kMeminfo, "MemFree"), std::nullopt);
  EXPECT_EQ(find_meminfo(kMeminfo, "Huge"), std::nullopt) << "more bytes than 64 bits count";
}

TEST(SystemTextTest, FindsTheWordInBrackets) {
  EXPECT_EQ(selected_word("always [madvise] never\n"), "madvise");
  for (const char* text : {"", "always madvise", "[", "[]", "]a["})
    EXPECT_EQ(selected_word(text), std::nullopt) << text;
}

TEST(SystemTextTest, TellsNoMemoryLimitFromOneThatIsNotUnderstood) {
  using Limit = std::optional<std::uint64_t>;
  const auto understood = [](Limit limit) { return std::optional<Limit>(limit); };
  EXPECT_EQ(parse_memory_limit("max\n"), understood({}));
  EXPECT_EQ(parse_memory_limit("9223372036854771712\n"), understood({}));  // version 1, 4 KiB pages
  EXPECT_EQ(parse_memory_limit("9223372036854710272\n"),
            understood({}));  // version 1, 64 KiB pages
  EXPECT_EQ(parse_memory_limit("268435456\n"), understood(268435456));
  EXPECT_EQ(parse_memory_limit("0\n"), understood(0));
  EXPECT_FALSE(parse_memory_limit("-1").has_value());
  EXPECT_FALSE(parse_memory_limit("").has_value());
}

TEST(SystemTextTest, ReadsTheCpuQuotaOfBothVersions) {
  using Quota = std::optional<double>;
  const auto understood = [](Quota quota) { return std::optional<Quota>(quota); };
  EXPECT_EQ(parse_cpu_max("max 100000\n"), understood({}));
  EXPECT_EQ(parse_cpu_max("150000 100000\n"), understood(1.5));
  EXPECT_EQ(parse_cfs_quota("-1\n", "100000\n"), understood({}));
  EXPECT_EQ(parse_cfs_quota("400000\n", "100000\n"), understood(4));
  for (const char* text : {"", "max", "max often", "1 0", "0 1", "100000", "a b"})
    EXPECT_FALSE(parse_cpu_max(text).has_value()) << text;
  EXPECT_FALSE(parse_cfs_quota("400000", "").has_value());
}

}  // namespace
}  // namespace wpack::os
