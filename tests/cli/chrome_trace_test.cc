#include "chrome_trace.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "output.h"

namespace wpack::cli {
namespace {

using std::chrono::steady_clock;

Json events_of(const ChromeTrace& trace) { return Json::parse(trace.to_json())["traceEvents"]; }

TEST(ChromeTraceTest, GivesEveryThreadALaneOfItsOwn) {
  ChromeTrace trace;
  const auto record = [&](const std::string& lane) {
    for (int i = 0; i < 3; ++i) {
      trace.record({.name = "span",
                    .detail = lane,
                    .begin = steady_clock::now(),
                    .end = steady_clock::now()});
    }
  };
  record("main");
  std::thread first([&] { record("first"); });
  std::thread second([&] {
    first.join();  // both are alive when the first ends: no number is given twice
    record("second");
  });
  second.join();
  std::map<std::string, std::set<int>> lanes;
  for (const Json& event : events_of(trace)) {
    EXPECT_EQ(event["ph"], "X");
    lanes[event["args"]["detail"]].insert(event["tid"].get<int>());
  }
  ASSERT_EQ(lanes.size(), 3U);
  std::set<int> all;
  for (const auto& [lane, numbers] : lanes) {
    EXPECT_EQ(numbers.size(), 1U) << lane;
    all.insert(numbers.begin(), numbers.end());
  }
  EXPECT_EQ(all.size(), 3U);
}

TEST(ChromeTraceTest, WritesReadsWithTheirNumbersAndCountersWithTheirValues) {
  ChromeTrace trace;
  const auto begin = steady_clock::now();
  for (const auto kind : {TraceEvent::Kind::kReadBegin, TraceEvent::Kind::kReadEnd})
    trace.record(
        {.kind = kind, .name = "read", .detail = "s", .begin = begin, .id = 7, .value = 9});
  trace.record({.kind = TraceEvent::Kind::kCounter, .name = "held", .begin = begin, .value = 5});
  const Json events = events_of(trace);
  ASSERT_EQ(events.size(), 3U);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(events[i]["ph"], i == 0 ? "b" : "e");
    EXPECT_EQ(events[i]["id"], 7);
    EXPECT_EQ(events[i]["cat"], "wpack");
    EXPECT_EQ(events[i]["name"], "read");
    EXPECT_EQ(events[i]["args"], (Json{{"bytes", 9}, {"detail", "s"}}));
  }
  EXPECT_EQ(events[2]["ph"], "C");
  EXPECT_EQ(events[2]["name"], "held");
  EXPECT_EQ(events[2]["args"], (Json{{"value", 5}}));
}

TEST(ChromeTraceTest, ReplacesWhatIsNoText) {
  ChromeTrace trace;
  trace.record({.name = "span", .detail = "a\xff\"b"});
  EXPECT_EQ(events_of(trace)[0]["args"]["detail"], "a\ufffd\"b");
}

}  // namespace
}  // namespace wpack::cli
