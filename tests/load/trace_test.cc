// What a tracer is told of a load, and what statistics say of its time.
#include <gtest/gtest.h>

#include <map>

#include "load/eventually.h"
#include "load/test_container.h"
#include "load/trace_recorder.h"
#include "support/faulty_reader.h"

namespace wpack::testing {
namespace {

class TraceTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  [[nodiscard]] Container open() const {
    const OpenOptions options{.verify = VerifyPolicy::kTouch,
                              .access = GetParam(),
                              .readahead_layers = 0,
                              .tracer = recorder_};
    return open_with(path_, options).value();
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
  std::shared_ptr<TraceRecorder> recorder_ = std::make_shared<TraceRecorder>();
};

INSTANTIATE_TEST_SUITE_P(Access, TraceTest, ::testing::Values(AccessMode::kMap, AccessMode::kRead),
                         access_name);

TEST_P(TraceTest, TellsOfEveryLayerWithItsNameAndItsSize) {
  const Container container = open();
  for (const Layer& layer : container.layers()) ASSERT_THAT(layer.acquire(), IsOk());
  const auto loads = recorder_->of("load layer");
  ASSERT_EQ(loads.size(), container.layer_count());
  EXPECT_EQ(loads[1].detail, "layers.0");
  EXPECT_EQ(loads[1].event.value, container.layers()[1].info().range.size());
  for (const auto& [event, detail] : loads) EXPECT_LE(event.begin, event.end);
}

TEST_P(TraceTest, TellsWhatWasReadAheadApart) {
  const Container container = open();
  ASSERT_THAT(container.layer(2).prefetch(), IsOk());
  EXPECT_TRUE(eventually([&] { return recorder_->of("read layer ahead").size() == 1; }));
  EXPECT_TRUE(recorder_->of("load layer").empty());
}

TEST_P(TraceTest, EndsEveryReadThatItBegan) {
  const Container container = open();
  for (const Layer& layer : container.layers()) ASSERT_THAT(layer.acquire(), IsOk());
  std::map<std::uint64_t, int> open_reads;
  for (const auto& [event, detail] : recorder_->of("read")) {
    if (event.kind == TraceEvent::Kind::kReadBegin) {
      EXPECT_EQ(++open_reads[event.id], 1) << "numbers are given once";
    } else {
      EXPECT_EQ(--open_reads[event.id], 0);
    }
    EXPECT_NE(detail.find(".wps"), std::string::npos);
  }
  EXPECT_EQ(open_reads.empty(), GetParam() == AccessMode::kMap);
  const auto counts = recorder_->of("reads in flight");
  EXPECT_EQ(counts.empty(), GetParam() == AccessMode::kMap);
  for (const auto& [event, detail] : counts) EXPECT_LE(event.value, 16U);
}

TEST_P(TraceTest, TellsHowMuchMemoryIsHeldWheneverThatChanges) {
  const Container container = open();
  for (const Layer& layer : container.layers()) ASSERT_THAT(layer.acquire(), IsOk());
  const auto grown = recorder_->of("memory held");
  if (GetParam() == AccessMode::kMap) {
    for (const auto& [event, detail] : grown) EXPECT_EQ(event.value, 0U);
    return;
  }
  ASSERT_FALSE(grown.empty());
  EXPECT_EQ(grown.back().event.kind, TraceEvent::Kind::kCounter);
  EXPECT_EQ(grown.back().event.value, container.stats().memory_bytes);
  for (const Layer& layer : container.layers()) layer.release();
  EXPECT_EQ(recorder_->of("memory held").back().event.value, 0U);
}

TEST(FaultTraceTest, TellsOfThreadsThatFaultFreshMemoryInBesideTheReads) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("w", pattern_bytes(40 << 20, 1));
  const auto recorder = std::make_shared<TraceRecorder>();
  const OpenOptions options{.access = AccessMode::kRead, .tracer = recorder};
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(builder.build(directory.path() / "m.wpack"), options));
  ASSERT_THAT(container.layer(0).acquire(), IsOk());
  EXPECT_FALSE(recorder->of("fault memory in").empty());
  expect_oracle(container, builder);
}

TEST(FailedTraceTest, EndsEveryReadOfALoadThatFailed) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("w", pattern_bytes(40 << 20, 1));
  const auto recorder = std::make_shared<TraceRecorder>();
  load::Engines engines = test_engines();
  engines.make_reader = [](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
    WPACK_ASSIGN(auto reader, make_pread_reader(4));
    return std::make_unique<FaultyReader>(std::move(reader), Faults{.io_error_at = 0});
  };
  const OpenOptions options{.access = AccessMode::kRead, .tracer = recorder};
  ASSERT_OK_AND_ASSIGN(
      const Container container,
      load::open_container(builder.build(directory.path() / "m.wpack"), options, engines));
  EXPECT_THAT(container.layer(0).acquire(), Fails(ErrorCode::kIo, "00000.wps"));
  int begun = 0;
  int ended = 0;
  for (const auto& [event, detail] : recorder->of("read"))
    ++(event.kind == TraceEvent::Kind::kReadBegin ? begun : ended);
  EXPECT_GT(begun, 1);
  EXPECT_EQ(begun, ended);
}

TEST_P(TraceTest, CountsTheTimeThatCallersWaited) {
  const Container container = open();
  EXPECT_EQ(container.stats().stalls.disk, 0U);
  ASSERT_THAT(container.layer(0).acquire(), IsOk());
  const AccessStats stats = container.stats();
  EXPECT_GT(stats.stalls.disk, 0U);
  EXPECT_GT(stats.stalls.verify, 0U);
  EXPECT_EQ(stats.background.disk, 0U);
  EXPECT_EQ(stats.reads_in_flight, 0U);
}

TEST_P(TraceTest, CountsTheTimeOfReadaheadApart) {
  const Container container = open();
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes > 0; }));
  const AccessStats stats = container.stats();
  EXPECT_EQ(stats.stalls.disk + stats.stalls.verify, 0U);
  EXPECT_GT(stats.background.disk, 0U);
}

}  // namespace
}  // namespace wpack::testing
