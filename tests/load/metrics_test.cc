#include "wpack/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace wpack {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Json = nlohmann::json;

TEST(MetricsTest, WritesEveryStatisticWithItsTypeAndContainer) {
  AccessStats stats;
  stats.read_bytes = 15;
  stats.direct_bytes = 12;
  stats.buffered_bytes = 3;
  stats.brought_in_bytes = 4;
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
                              "wpack_read_bytes_total{container=\"m.wpack\","
                              "source=\"direct\"} 12\n"
                              "wpack_read_bytes_total{container=\"m.wpack\","
                              "source=\"page_cache\"} 3\n"
                              "wpack_read_bytes_total{container=\"m.wpack\","
                              "source=\"mapping\"} 4\n"));
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
  const std::string text = to_prometheus(AccessStats(), "m");
  const std::string type = "# TYPE wpack_stall_seconds_total";
  EXPECT_NE(text.find(type), std::string::npos);
  EXPECT_EQ(text.find(type), text.rfind(type));
}

TEST(MetricsTest, WritesTheTimeOfEveryCause) {
  const PhaseNanoseconds spent{.disk = 1'000'000'000,
                               .verify = 2'000'000'000,
                               .memory = 3'000'000'000,
                               .readahead = 4'000'000'000,
                               .consumer = 5'000'000'000};
  const AccessStats stats{.stalls = spent, .background = spent};
  const std::string text = to_prometheus(stats, "m");
  const Json json = Json::parse(to_json(stats));
  int seconds = 0;
  for (const char* cause : {"disk", "verify", "memory", "readahead", "consumer"}) {
    ++seconds;
    for (const std::string name : {"stall", "background"}) {
      EXPECT_THAT(text, HasSubstr("\nwpack_" + name + "_seconds_total{container=\"m\",cause=\"" +
                                  cause + "\"} " + std::to_string(seconds) + "\n"));
      EXPECT_EQ(json[name + "_seconds"][cause], seconds);
    }
  }
  EXPECT_EQ(json["stall_seconds"].size(), 5U);
}

TEST(MetricsTest, WritesEveryStatisticAsJson) {
  const AccessStats stats{.mapped_bytes = 1,
                          .read_bytes = 5,
                          .direct_bytes = 2,
                          .buffered_bytes = 3,
                          .brought_in_bytes = 4,
                          .verified_bytes = 6,
                          .prefetched_bytes = 7,
                          .mapping_refused = "why",
                          .fallbacks = {{.what = "libaio", .reason = "a\xff", .count = 2}},
                          .layer_hits = 8,
                          .layer_misses = 9,
                          .reads_in_flight = 10,
                          .layers_given_up = 11,
                          .memory_bytes = 12,
                          .huge_tlb_bytes = 15,
                          .huge_asked_bytes = 16,
                          .peak_memory_bytes = 13,
                          .reused_memory_bytes = 14};
  Json json = Json::parse(to_json(stats));
  json.erase("stall_seconds");
  json.erase("background_seconds");
  EXPECT_EQ(
      json,
      (Json{{"mapped_bytes", 1},
            {"read_bytes", 5},
            {"direct_bytes", 2},
            {"buffered_bytes", 3},
            {"brought_in_bytes", 4},
            {"verified_bytes", 6},
            {"prefetched_bytes", 7},
            {"mapping_refused", "why"},
            {"fallbacks", Json::array({{{"what", "libaio"}, {"reason", "a\ufffd"}, {"count", 2}}})},
            {"layer_hits", 8},
            {"layer_misses", 9},
            {"reads_in_flight", 10},
            {"layers_given_up", 11},
            {"memory_bytes", 12},
            {"peak_memory_bytes", 13},
            {"huge_tlb_bytes", 15},
            {"huge_asked_bytes", 16},
            {"reused_memory_bytes", 14}}));
}

TEST(MetricsTest, WritesTheStatisticsOfACache) {
  const WeightCacheStats stats{.open_count = 1,
                               .hits = 2,
                               .misses = 3,
                               .evicted = 4,
                               .layer_hits = 5,
                               .layer_misses = 6,
                               .layers_given_up = 7,
                               .memory_bytes = 8,
                               .peak_memory_bytes = 9};
  EXPECT_EQ(Json::parse(to_json(stats)), (Json{{"open_count", 1},
                                               {"hits", 2},
                                               {"misses", 3},
                                               {"evicted", 4},
                                               {"layer_hits", 5},
                                               {"layer_misses", 6},
                                               {"layers_given_up", 7},
                                               {"memory_bytes", 8},
                                               {"peak_memory_bytes", 9}}));
  const std::string text = to_prometheus(stats, "host \"a\"");
  for (const char* sample : {"open_containers{cache=\"host \\\"a\\\"\"} 1",
                             "opens_total{cache=\"host \\\"a\\\"\",from=\"memory\"} 2",
                             "opens_total{cache=\"host \\\"a\\\"\",from=\"storage\"} 3",
                             "evicted_total{cache=\"host \\\"a\\\"\"} 4",
                             "layers_acquired_total{cache=\"host \\\"a\\\"\",from=\"memory\"} 5",
                             "layers_acquired_total{cache=\"host \\\"a\\\"\",from=\"storage\"} 6",
                             "layers_given_up_total{cache=\"host \\\"a\\\"\"} 7",
                             "memory_bytes{cache=\"host \\\"a\\\"\"} 8",
                             "memory_peak_bytes{cache=\"host \\\"a\\\"\"} 9"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\nwpack_cache_") + sample + "\n"));
  }
  EXPECT_THAT(text, StartsWith("# HELP wpack_cache_"));
}

TEST(MetricsTest, EscapesTheNameOfTheContainer) {
  const std::string text = to_prometheus(AccessStats(), "a\"b\\c\nd");
  EXPECT_THAT(text, HasSubstr(R"({container="a\"b\\c\nd"})"));
  EXPECT_EQ(text.find("c\nd"), std::string::npos);
}

}  // namespace
}  // namespace wpack
