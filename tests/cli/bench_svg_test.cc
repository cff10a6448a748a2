// Charts of a comparison.
#include "bench_svg.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Chart sample_chart() {
  return {.title = "Loading <4> GB & more",
          .note = "7 rounds",
          .groups = {{.title = "cold \"here\"",
                      .bars = {{"wpack", 1.0, 0.5, 2.0, true}, {"torch's", 4.0, 3.0, 8.0, false}}},
                     {.title = "warm", .bars = {{"wpack", 0.0, 0.0, 0.0, true}}}}};
}

// Walks the tags of `xml` with a stack. Returns what is wrong, or nothing.
std::string malformed(std::string_view xml) {
  std::vector<std::string> open;
  std::size_t position = 0;
  while ((position = xml.find('<', position)) != std::string_view::npos) {
    const std::size_t end = xml.find('>', position);
    if (end == std::string_view::npos) return "a tag does not end";
    const std::string_view tag = xml.substr(position + 1, end - position - 1);
    position = end + 1;
    if (tag.find('<') != std::string_view::npos) return "a tag in a tag: " + std::string(tag);
    if (tag.starts_with('?') || tag.ends_with('/')) continue;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "closes " + std::string(tag);
      open.pop_back();
    } else {
      open.emplace_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty() ? "" : "left open: " + open.back();
}

TEST(SvgTest, IsWellFormed) {
  const std::string svg = svg_of(sample_chart());
  EXPECT_EQ(malformed(svg), "");
  EXPECT_THAT(svg, ::testing::StartsWith("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg "));
  EXPECT_EQ(malformed(svg_of({})), "");
}

TEST(SvgTest, EscapesEveryText) {
  const std::string svg = svg_of(sample_chart());
  EXPECT_THAT(svg, HasSubstr(">Loading &lt;4&gt; GB &amp; more</text>"));
  EXPECT_THAT(svg, HasSubstr(">cold &quot;here&quot;</text>"));
  EXPECT_THAT(svg, HasSubstr(">torch&apos;s</text>"));
  EXPECT_EQ(escape_xml("a\x01\n<\xFF>"), "a\\x01\\x0a&lt;\\xff&gt;");
}

TEST(SvgTest, DrawsBarsToOneScaleWithWhiskers) {
  const std::string svg = svg_of(sample_chart());
  // The largest whisker, 8, takes all of 490 units.
  EXPECT_THAT(svg, HasSubstr("width=\"61.25\""));
  EXPECT_THAT(svg, HasSubstr("width=\"245.00\""));
  EXPECT_THAT(svg, HasSubstr("M453.75 "));
  EXPECT_THAT(svg, HasSubstr("H760.00"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(TextBarsTest, DrawsBarsAndTheSlowestRun) {
  const std::string bars = text_bars_of(sample_chart(), 40, false);
  EXPECT_EQ(bars,
            "cold \"here\"\n"
            "wpack       1.00 s ##---\n"
            "torch's     4.00 s ##########----------\n"
            "warm\n"
            "wpack         0 us #\n");
}

TEST(TextBarsTest, ColorsOnlyWhenAsked) {
  EXPECT_THAT(text_bars_of(sample_chart(), 80, true), HasSubstr("\x1b[36m"));
  EXPECT_THAT(text_bars_of(sample_chart(), 80, false), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace wpack::cli
