// Layers: prefetch, acquire, readahead, release, and what goes wrong on the way.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "load/eventually.h"
#include "load/test_container.h"
#include "support/faulty_reader.h"
#include "support/gated_reader.h"

namespace wpack::testing {
namespace {

class LayerTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  [[nodiscard]] Container open(std::uint32_t readahead_layers) const {
    return open_with(path_, {.access = GetParam(), .readahead_layers = readahead_layers}).value();
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
};

INSTANTIATE_TEST_SUITE_P(Access, LayerTest, kAccessModes, access_name);

TEST_P(LayerTest, PrefetchesExactlyTheBytesOfTheLayer) {
  const Container container = open(0);
  const Layer layer = container.layer(1);
  ASSERT_THAT(layer.prefetch(), IsOk());
  ASSERT_THAT(layer.prefetch(), IsOk());
  const std::uint64_t size = layer.info().range.size();
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == size; }));
  ASSERT_OK_AND_ASSIGN(const LayerView view, layer.acquire());
  EXPECT_TRUE(holds(view.tensors()[1], builder_.oracle().at("layers.0.up")));
  EXPECT_EQ(container.stats().prefetched_bytes, size);
  EXPECT_EQ(container.stats().read_bytes, GetParam() == AccessMode::kRead ? size : 0);
}

TEST_P(LayerTest, PrefetchesSharedExtentsToo) {
  const Container container = open(0);
  const Layer head = container.layer("head").value();
  ASSERT_THAT(head.prefetch(), IsOk());
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == 303'104; }));
}

TEST_P(LayerTest, RecordsTheOrderInWhichLayersAreFirstUsed) {
  const Container container = open(1);
  EXPECT_TRUE(container.use_order().layers.empty());
  ASSERT_THAT(container.layer("layers.1").value().acquire(), IsOk());
  ASSERT_THAT(container.slice("layers.0.up", 0, 0, 10), IsOk());
  ASSERT_THAT(container.tensor("head.weight"), IsOk());
  ASSERT_THAT(container.layer("layers.1").value().acquire(), IsOk());
  ASSERT_THAT(container.layer("embed").value().prefetch(), IsOk());  // no use
  EXPECT_EQ(container.use_order(), (UseOrder{{"layers.1", "layers.0", "head"}}));
}

TEST_P(LayerTest, ReadsAheadInARecordedOrder) {
  // The order begins layers.1, embed; layers.0 and head follow as they lie.
  const OpenOptions options{
      .access = GetParam(), .readahead_layers = 2, .use_order = {{"layers.1", "embed"}}};
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, options));
  ASSERT_THAT(container.layer("layers.1").value().acquire(), IsOk());
  const Layer embed = container.layer("embed").value();
  const Layer second = container.layer("layers.0").value();
  const std::uint64_t size = embed.info().range.size() + second.info().range.size();
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == size; }));
  ASSERT_THAT(container.layer("head").value().acquire(), IsOk());  // nothing follows the last one
  EXPECT_EQ(container.stats().prefetched_bytes, size);
}

TEST_P(LayerTest, RefusesAUseOrderOfAnotherContainer) {
  const auto with = [&](std::vector<std::string> layers) {
    return open_with(path_, {.access = GetParam(), .use_order = {std::move(layers)}});
  };
  EXPECT_THAT(with({"embed", "layers.7"}),
              Fails(ErrorCode::kInvalidArgument,
                    "names the layer 'layers.7', which the container does not have"));
  EXPECT_THAT(with({"embed", "embed"}),
              Fails(ErrorCode::kInvalidArgument, "'embed', which it named before"));
}

TEST_P(LayerTest, ReadsTheFollowingLayersAhead) {
  const Container container = open(2);
  ASSERT_THAT(container.layer(0).acquire(), IsOk());
  const Layer first = container.layer(1);
  const Layer second = container.layer(2);
  const std::uint64_t size = first.info().range.size() + second.info().range.size();
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == size; }));
  ASSERT_THAT(container.layer(3).acquire(), IsOk());  // nothing follows the last one
  EXPECT_EQ(container.stats().prefetched_bytes, size);
}

TEST_P(LayerTest, ReadsNothingAheadWhenItIsTurnedOff) {
  const Container container = open(0);
  for (const Layer& layer : container.layers()) ASSERT_THAT(layer.acquire(), IsOk());
  EXPECT_EQ(container.stats().prefetched_bytes, 0U);
}

TEST_P(LayerTest, KeepsAnAcquiredLayerUntilItIsReleased) {
  const Container container = open(0);
  const Layer layer = container.layer(1);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(layer.acquire(), IsOk());
  const std::uint64_t once = container.stats().read_bytes;
  if (GetParam() == AccessMode::kRead) {
    EXPECT_EQ(once, layer.info().range.size());
  }
  layer.release();
  ASSERT_THAT(layer.acquire(), IsOk());
  EXPECT_EQ(container.stats().read_bytes, 2 * once);
}

TEST_P(LayerTest, KeepsViewsValidAfterRelease) {
  const Container container = open(1);
  for (const ReleasePages pages : {ReleasePages::kMemory, ReleasePages::kPageCache}) {
    std::vector<LayerView> views;
    for (const Layer& layer : container.layers()) {
      ASSERT_OK_AND_ASSIGN(LayerView view, layer.acquire());
      views.push_back(std::move(view));
      layer.release(pages);
    }
    for (const LayerView& view : views) {
      for (const Tensor& tensor : view.tensors())
        EXPECT_TRUE(holds(tensor, builder_.oracle().at(std::string(tensor.name()))));
    }
  }
}

TEST_P(LayerTest, SharesMemoryWithViewsThatOutliveARelease) {
  const Container container = open(0);
  const Layer layer = container.layer(1);
  ASSERT_OK_AND_ASSIGN(const LayerView before, layer.acquire());
  layer.release();
  ASSERT_OK_AND_ASSIGN(const LayerView after, layer.acquire());
  EXPECT_EQ(before.tensors()[1].bytes().data(), after.tensors()[1].bytes().data());
}

TEST_P(LayerTest, ReleasesWhatWasNeverAcquired) {
  const Container container = open(1);
  for (const Layer& layer : container.layers()) layer.release(ReleasePages::kPageCache);
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  container.layer(0).release();
  expect_oracle(container, builder_);
}

TEST_P(LayerTest, SurvivesDestructionDuringAPrefetch) {
  for (int i = 0; i < 50; ++i) {
    const Container container = open(3);
    for (const Layer& layer : container.layers()) ASSERT_THAT(layer.prefetch(), IsOk());
  }
}

TEST(LayerReleaseTest, GivesMappedPagesBackAtOnce) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("a", pattern_bytes(1 << 20, 1));
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(builder.build(directory.path() / "m.wpack"), {}));
  ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer(0).acquire());
  const auto resident_kib = [&] {
    std::ifstream maps("/proc/self/smaps");
    std::uint64_t kib = 0;
    bool ours = false;
    for (std::string line; std::getline(maps, line);) {
      if (line.find('-') < line.find(' ')) ours = line.find("m.wpack/00000.wps") != line.npos;
      if (ours && line.starts_with("Rss:")) kib += std::stoull(line.substr(4));
    }
    return kib;
  };
  EXPECT_GE(resident_kib(), 1024U);
  container.layer(0).release();
  EXPECT_LE(resident_kib(), 4U);
  EXPECT_TRUE(holds(view.tensors()[0], builder.oracle().at("a")));
}

// Loading through readers that fail.
class FaultyLoadTest : public ::testing::Test {
 protected:
  // The first reader that is made has these faults, later ones none.
  [[nodiscard]] Container open(const Faults& faults, VerifyPolicy verify = VerifyPolicy::kTouch,
                               std::uint64_t budget = std::uint64_t{1} << 40) {
    load::Engines engines = test_engines(budget);
    engines.make_reader = [faults](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(2));
      return std::unique_ptr<AsyncReader>(
          std::make_unique<FaultyReader>(std::move(reader), faults));
    };
    const OpenOptions options{.verify = verify, .access = AccessMode::kRead, .readahead_layers = 0};
    return load::open_container(path_, options, engines).value();
  }

  FaultyLoadTest() {
    builder_.layer("a")
        .tensor("a.0", pattern_bytes(9 << 20, 1))
        .tensor("a.1", pattern_bytes(1000, 2));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(FaultyLoadTest, ReportsAReadErrorWithFileAndOffsetAndRecovers) {
  const Container container = open({.io_error_at = 2});
  EXPECT_THAT(container.layer(0).acquire(),
              Fails(ErrorCode::kIo, "m.wpack/00000.wps: read of 2097152 bytes at offset 4198400"));
  expect_oracle(container, builder_);
}

TEST_F(FaultyLoadTest, NeverHandsOutAShortRead) {
  for (const VerifyPolicy verify : {VerifyPolicy::kIndex, VerifyPolicy::kTouch}) {
    const Container container = open({.short_read_at = 1}, verify);
    EXPECT_THAT(container.tensor("a.0"), Fails(ErrorCode::kIo, "00000.wps: file ends at offset"));
    expect_oracle(container, builder_);
  }
}

TEST_F(FaultyLoadTest, ReadsCorrectlyWhenCompletionsComeLateAndInAnyOrder) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    const Container container = open({.hold_back = 3, .seed = seed});
    expect_oracle(container, builder_);
  }
}

TEST_F(FaultyLoadTest, RejectsWhatIsOverTheMemoryBudget) {
  const Container container = open({}, VerifyPolicy::kTouch, 1 << 20);
  EXPECT_THAT(
      container.tensor("a.0"),
      Fails(ErrorCode::kLimit, "m.wpack: tensor 'a.0': 9437184 bytes are over the memory budget"));
  EXPECT_THAT(container.layer(0).acquire(),
              Fails(ErrorCode::kLimit,
                    "m.wpack: layer 'a' takes 9441280 bytes, more than 2/5 of the memory "
                    "budget: a budget of 23603200 bytes would do"));
  ASSERT_OK_AND_ASSIGN(const Tensor small, container.tensor("a.1"));
  EXPECT_TRUE(holds(small, builder_.oracle().at("a.1")));
}

TEST_F(FaultyLoadTest, GivesMemoryBackWithTheLastHandle) {
  const Container container = open({}, VerifyPolicy::kTouch, 24 << 20);
  for (int i = 0; i < 3; ++i) {
    {
      ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer(0).acquire());
      const std::uint64_t held = container.stats().memory_bytes;
      EXPECT_THAT(container.tensor("a.0"), IsOk());
      container.layer(0).release(ReleasePages::kPageCache);
      ASSERT_OK_AND_ASSIGN(const Tensor shared, container.tensor("a.1"));
      EXPECT_EQ(container.stats().memory_bytes, held) << "shared with the layer, nothing more";
    }
    EXPECT_EQ(container.stats().memory_bytes, 0U);
  }
}

TEST_F(FaultyLoadTest, ReportsAReaderThatCannotBeMade) {
  load::Engines engines = test_engines();
  engines.make_reader = [](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
    return Error(ErrorCode::kLimit, "no threads left");
  };
  ASSERT_OK_AND_ASSIGN(const Container container,
                       load::open_container(path_, {.access = AccessMode::kRead}, engines));
  EXPECT_THAT(container.layer(0).acquire(), Fails(ErrorCode::kLimit, "no threads left"));
  EXPECT_THAT(container.tensor("a.1"), Fails(ErrorCode::kLimit, "no threads left"));
}

// Counts the layers whose reading ahead has ended.
class LayerCounter final : public Tracer {
 public:
  void record(const TraceEvent& event) noexcept override {
    if (event.name == "read layer ahead") ++count_;
  }
  [[nodiscard]] int count() const { return count_; }

 private:
  std::atomic<int> count_{0};
};

// The worker has begun to prefetch layer 0 and stands at the gate.
class BusyWorkerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    load::Engines engines = test_engines();
    memory_ = engines.memory;
    engines.make_reader = [gate = gate_, made = std::make_shared<std::atomic<int>>(0)](
                              const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(1));
      if ((*made)++ > 0) return reader;
      return std::unique_ptr<AsyncReader>(std::make_unique<GatedReader>(std::move(reader), gate));
    };
    const std::string path = builder_.build(directory_.path() / "m.wpack");
    auto container = load::open_container(
        path, {.access = AccessMode::kRead, .readahead_layers = 0, .tracer = layers_},
        std::move(engines));
    ASSERT_THAT(container, IsOk());
    container_ = *std::move(container);
    ASSERT_THAT(layer(0).prefetch(), IsOk());
    gate_->wait_until_someone_waits();
  }
  void TearDown() override { gate_->open(); }

  [[nodiscard]] Layer layer(std::uint32_t id) const { return container_->layer(id); }
  [[nodiscard]] std::uint64_t size(std::uint32_t id) const {
    const Layer named = layer(id);
    return named.info().range.size();
  }
  [[nodiscard]] std::uint64_t prefetched() const { return container_->stats().prefetched_bytes; }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::shared_ptr<LayerCounter> layers_ = std::make_shared<LayerCounter>();
  std::shared_ptr<load::MemoryBudget> memory_;
  std::optional<Container> container_;
};

TEST_F(BusyWorkerTest, LetsAnAcquirePassWhatIsQueuedForReadahead) {
  ASSERT_THAT(layer(1).prefetch(), IsOk());
  ASSERT_THAT(layer(2).prefetch(), IsOk());
  ASSERT_OK_AND_ASSIGN(const LayerView view, layer(2).acquire());
  EXPECT_TRUE(holds(view.tensors()[0], builder_.oracle().at("layers.1.norm")));
  EXPECT_EQ(container_->stats().read_bytes, size(2));
  gate_->open();
  EXPECT_TRUE(eventually([&] { return prefetched() == size(0) + size(1); }));
}

TEST_F(BusyWorkerTest, DropsAPrefetchThatHasNotStarted) {
  ASSERT_THAT(layer(1).prefetch(), IsOk());
  ASSERT_THAT(layer(2).prefetch(), IsOk());
  layer(1).release();
  gate_->open();
  EXPECT_TRUE(eventually([&] { return prefetched() == size(0) + size(2); }));
  EXPECT_EQ(container_->stats().read_bytes, size(0) + size(2));
}

TEST_F(BusyWorkerTest, WaitsForALayerThatIsBeingRead) {
  std::optional<LayerView> view;
  std::thread waiter([&] { view = layer(0).acquire().value(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  gate_->open();
  waiter.join();
  EXPECT_TRUE(holds(view->tensors()[0], builder_.oracle().at("embed.weight")));
  EXPECT_EQ(container_->stats().read_bytes, size(0));
}

TEST_F(BusyWorkerTest, StopsWaitingForALayerThatIsBeingRead) {
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_THAT(layer(0).acquire({.deadline = soon}), Fails(ErrorCode::kDeadline, "m.wpack"));
  std::stop_source source;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    source.request_stop();
  });
  EXPECT_THAT(layer(0).acquire({.stop = source.get_token()}),
              Fails(ErrorCode::kCancelled, "cancelled"));
  other.join();
  EXPECT_THAT(container_->tensor("embed.weight", {.deadline = soon}),
              Fails(ErrorCode::kDeadline, "deadline"));
}

TEST_F(BusyWorkerTest, LetsALayerGoThatWasReleasedWhileItWasBeingRead) {
  layer(0).release();
  gate_->open();
  ASSERT_TRUE(eventually([&] { return prefetched() == size(0); }));
  ASSERT_THAT(layer(0).acquire(), IsOk());
  EXPECT_EQ(container_->stats().read_bytes, 2 * size(0));
}

TEST_F(BusyWorkerTest, WaitsForReadsInFlightAndNothingElseWhenTheContainerGoes) {
  ASSERT_THAT(layer(1).prefetch(), IsOk());
  ASSERT_THAT(layer(2).prefetch(), IsOk());
  std::thread opener([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    gate_->open();
  });
  container_.reset();
  EXPECT_TRUE(gate_->is_open()) << "the read was still in flight";
  EXPECT_EQ(layers_->count(), 1) << "what was queued is dropped";
  EXPECT_EQ(memory_->use().pool.in_use, 0U);
  opener.join();
}

}  // namespace
}  // namespace wpack::testing
