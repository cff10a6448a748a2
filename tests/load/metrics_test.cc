#include "wpack/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wpack {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MetricsTest, WritesEveryStatisticWithItsTypeAndContainer) {
  AccessStats stats;
  stats.read_bytes = 12;
  stats.layer_hits = 3;
  stats.huge_tlb_bytes = 5;
  stats.huge_asked_bytes = 6;
  stats.stalls.disk = 1'500'000'000;
  stats.fallbacks = {{.what = "libaio", .reason = "no \"request\" is left", .count = 2}};
  const std::string text = to_prometheus(stats, "m.wpack");
  EXPECT_THAT(text, HasSubstr("\nwpack_fallbacks_total{container=\"m.wpack\",engine=\"libaio\","
                              "reason=\"no \\\"request\\\" is left\"} 2\n"));
  EXPECT_THAT(text, StartsWith("# HELP wpack_mapped_bytes "));
  EXPECT_THAT(text, HasSubstr("# TYPE wpack_read_bytes_total counter\n"
                              "wpack_read_bytes_total{container=\"m.wpack\"} 12\n"));
  EXPECT_THAT(
      text, HasSubstr("\nwpack_layers_acquired_total{container=\"m.wpack\",from=\"memory\"} 3\n"));
  EXPECT_THAT(text,
              HasSubstr("\nwpack_stall_seconds_total{container=\"m.wpack\",cause=\"disk\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("\nwpack_memory_huge_bytes{container=\"m.wpack\",pages=\"reserved\"} "
                              "5\nwpack_memory_huge_bytes{container=\"m.wpack\","
                              "pages=\"transparent\"} 6\n"));
  EXPECT_THAT(text, EndsWith("\n"));
}

TEST(MetricsTest, SaysTheTypeOfAMetricOnce) {
  const std::string text = to_prometheus({}, "m");
  const std::string type = "# TYPE wpack_stall_seconds_total";
  EXPECT_NE(text.find(type), std::string::npos);
  EXPECT_EQ(text.find(type), text.rfind(type));
}

TEST(MetricsTest, EscapesTheNameOfTheContainer) {
  const std::string text = to_prometheus({}, "a\"b\\c\nd");
  EXPECT_THAT(text, HasSubstr(R"({container="a\"b\\c\nd"})"));
  EXPECT_EQ(text.find("c\nd"), std::string::npos);
}

}  // namespace
}  // namespace wpack
