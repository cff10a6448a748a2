// Loading under a memory budget: what is kept, what is given up, who waits, and what never happens.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "load/eventually.h"
#include "load/test_container.h"

namespace wpack::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint32_t kLayers = 8;

std::string tensor_name(std::uint32_t layer) { return "layers." + std::to_string(layer) + ".w"; }

AcquireOptions within(milliseconds time) { return {.deadline = steady_clock::now() + time}; }

// Layers of one tensor of 1 MiB each.
class BudgetTest : public ::testing::Test {
 protected:
  BudgetTest() {
    for (std::uint32_t i = 0; i < kLayers; ++i)
      builder_.layer("layers." + std::to_string(i)).tensor(tensor_name(i), pattern_bytes(kMiB, i));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  [[nodiscard]] Container open(std::uint64_t budget, std::uint32_t readahead = 0) const {
    load::Engines engines = test_engines();
    engines.memory = std::make_shared<load::MemoryBudget>(
        make_host_pool({.budget = budget, .keep_free = budget}), budget);
    const OpenOptions options{.readahead_layers = readahead, .memory_budget = budget};
    return load::open_container(path_, options, engines).value();
  }

  [[nodiscard]] ::testing::AssertionResult is_layer(const LayerView& view, std::uint32_t i) const {
    return holds(view.tensors().front(), builder_.oracle().at(tensor_name(i)));
  }

  // Acquires and releases a layer.
  void visit(const Container& container, std::uint32_t i) const {
    ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer(i).acquire());
    EXPECT_TRUE(is_layer(view, i));
    container.layer(i).release();
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(BudgetTest, StreamsAContainerThatIsLargerThanTheBudget) {
  for (const std::uint32_t readahead : {0U, 1U, 4U}) {
    const Container container = open(5 * kMiB / 2, readahead);
    for (int round = 0; round < 3; ++round)
      for (std::uint32_t i = 0; i < kLayers; ++i) visit(container, i);
    const AccessStats stats = container.stats();
    EXPECT_EQ(stats.mapped_bytes, 0U);
    EXPECT_LE(stats.peak_memory_bytes, 5 * kMiB / 2);
    EXPECT_GE(stats.layers_given_up, 3 * kLayers - 3);
    EXPECT_GT(stats.reused_memory_bytes, 0U);
  }
}

TEST_F(BudgetTest, KeepsReleasedLayersUntilTheRoomIsNeeded) {
  const Container container = open(4 * kMiB);
  for (std::uint32_t i = 0; i < 4; ++i) visit(container, i);
  EXPECT_EQ(container.stats().layer_misses, 4U);
  for (std::uint32_t i = 0; i < 4; ++i) visit(container, i);
  EXPECT_EQ(container.stats().layer_misses, 4U);
  EXPECT_EQ(container.stats().layer_hits, 4U);
  EXPECT_EQ(container.stats().layers_given_up, 0U);
}

TEST_F(BudgetTest, GivesUpTheLayerThatWasReleasedLongestAgo) {
  const Container container = open(4 * kMiB);
  for (const std::uint32_t i : {0U, 1U, 2U, 3U, 0U, 4U}) visit(container, i);
  EXPECT_EQ(container.stats().layers_given_up, 1U);
  const std::uint64_t misses = container.stats().layer_misses;
  for (const std::uint32_t i : {0U, 2U, 3U, 4U}) visit(container, i);
  EXPECT_EQ(container.stats().layer_misses, misses);
  visit(container, 1);
  EXPECT_EQ(container.stats().layer_misses, misses + 1);
}

TEST_F(BudgetTest, ForgetsALayerThatIsReleasedWithItsPages) {
  const Container container = open(4 * kMiB);
  visit(container, 0);
  container.layer(0).release(ReleasePages::kPageCache);
  visit(container, 0);
  EXPECT_EQ(container.stats().layer_misses, 2U);
}

TEST_F(BudgetTest, NeverGivesUpWhatHandlesHold) {
  const Container container = open(3 * kMiB);
  std::vector<LayerView> views;
  for (std::uint32_t i = 0; i < 3; ++i) {
    views.push_back(container.layer(i).acquire().value());
    container.layer(i).release();
  }
  EXPECT_THAT(container.layer(3).acquire(),
              Fails(ErrorCode::kLimit,
                    "m.wpack: layer 'layers.3': 1048576 bytes are over the memory budget: 3145728 "
                    "of 3145728 bytes are in use, a budget of 4194304 bytes would do"));
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_TRUE(is_layer(views[i], i));
  views.erase(views.begin());
  visit(container, 3);
}

TEST_F(BudgetTest, RefusesALayerThatIsTooLargeAndSaysWhatWouldDo) {
  const Container small = open(5 * kMiB / 2 - 1);
  EXPECT_THAT(small.layer(0).acquire(),
              Fails(ErrorCode::kLimit,
                    "m.wpack: layer 'layers.0' takes 1048576 bytes, more than "
                    "2/5 of the memory budget: a budget of 2621440 bytes"));
  for (std::uint32_t i = 0; i < kLayers; ++i) {
    ASSERT_OK_AND_ASSIGN(const Tensor tensor, small.tensor(i));
    EXPECT_TRUE(holds(tensor, builder_.oracle().at(tensor_name(i))));
  }
  visit(open(2'621'440), 0);
}

TEST_F(BudgetTest, RefusesATensorThatIsLargerThanTheBudget) {
  const Container container = open(kMiB - 1);
  EXPECT_THAT(
      container.tensor(0U),
      Fails(ErrorCode::kLimit, "tensor 'layers.0.w': 1048576 bytes are over the memory budget"));
}

TEST_F(BudgetTest, WaitsForMemoryUntilTheDeadline) {
  const Container container = open(5 * kMiB / 2);
  std::vector<LayerView> views;
  for (std::uint32_t i = 0; i < 2; ++i) views.push_back(container.layer(i).acquire().value());
  EXPECT_THAT(container.layer(2).acquire(within(milliseconds(20))),
              Fails(ErrorCode::kDeadline, "over the memory budget"));
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    container.layer(0).release();
    views.erase(views.begin());
  });
  ASSERT_OK_AND_ASSIGN(const LayerView view,
                       container.layer(2).acquire(within(milliseconds(60'000))));
  other.join();
  EXPECT_TRUE(is_layer(view, 2));
}

TEST_F(BudgetTest, StopsWaitingForMemoryWhenItIsCancelled) {
  const Container container = open(5 * kMiB / 2);
  ASSERT_OK_AND_ASSIGN(const LayerView first, container.layer(0).acquire());
  ASSERT_OK_AND_ASSIGN(const LayerView second, container.layer(1).acquire());
  std::stop_source source;
  AcquireOptions options = within(milliseconds(60'000));
  options.stop = source.get_token();
  std::thread other([&] {
    std::this_thread::sleep_for(milliseconds(20));
    source.request_stop();
  });
  EXPECT_THAT(container.layer(2).acquire(options), Fails(ErrorCode::kCancelled, "cancelled"));
  other.join();
  EXPECT_THAT(container.tensor(2U, options), Fails(ErrorCode::kCancelled, "cancelled"));
}

TEST_F(BudgetTest, FailsAtOnceWhenTheDeadlineHasPassed) {
  const Container container = open(4 * kMiB);
  const AcquireOptions late{.deadline = steady_clock::now() - milliseconds(1)};
  EXPECT_THAT(container.layer(0).acquire(late), Fails(ErrorCode::kDeadline, "m.wpack"));
  EXPECT_THAT(container.tensor(0U, late), Fails(ErrorCode::kDeadline, "deadline passed"));
  visit(container, 0);
}

TEST_F(BudgetTest, ReadsAheadAsSoonAsThereIsRoom) {
  const Container container = open(5 * kMiB / 2);
  {
    ASSERT_OK_AND_ASSIGN(const LayerView first, container.layer(0).acquire());
    ASSERT_OK_AND_ASSIGN(const LayerView second, container.layer(1).acquire());
    ASSERT_THAT(container.layer(2).prefetch(), IsOk());
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_EQ(container.stats().prefetched_bytes, 0U);
    container.layer(0).release();
  }
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == kMiB; }));
}

TEST_F(BudgetTest, DoesNotWaitForReadaheadThatWaitsForMemoryItself) {
  const Container container = open(5 * kMiB / 2);
  ASSERT_OK_AND_ASSIGN(const LayerView first, container.layer(0).acquire());
  ASSERT_OK_AND_ASSIGN(const LayerView second, container.layer(1).acquire());
  ASSERT_THAT(container.layer(2).prefetch(), IsOk());
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_THAT(container.layer(2).acquire(), Fails(ErrorCode::kLimit, "over the memory budget"));
  EXPECT_THAT(container.layer(3).acquire(), Fails(ErrorCode::kLimit, "over the memory budget"));
}

TEST_F(BudgetTest, LetsADemandHaveTheMemoryOfWhatWasReadAhead) {
  const Container container = open(4 * kMiB);
  for (const std::uint32_t i : {1U, 2U, 3U, 4U}) ASSERT_THAT(container.layer(i).prefetch(), IsOk());
  ASSERT_TRUE(eventually([&] { return container.stats().prefetched_bytes == 4 * kMiB; }));
  visit(container, 7);
  EXPECT_EQ(container.stats().layers_given_up, 1U);
  for (const std::uint32_t i : {1U, 2U, 3U}) visit(container, i);
  EXPECT_EQ(container.stats().layer_hits, 3U) << "the one that is wanted last went";
}

TEST_F(BudgetTest, ReadsAgainAheadWhatWasGivenUp) {
  const Container container = open(5 * kMiB / 2);
  ASSERT_THAT(container.layer(1).prefetch(), IsOk());
  ASSERT_TRUE(eventually([&] { return container.stats().prefetched_bytes == kMiB; }));
  visit(container, 5);
  {
    ASSERT_OK_AND_ASSIGN(const LayerView one, container.layer(6).acquire());
    ASSERT_OK_AND_ASSIGN(const LayerView two, container.layer(7).acquire());
    for (const std::uint32_t i : {6U, 7U}) container.layer(i).release();
  }
  ASSERT_THAT(container.layer(1).prefetch(), IsOk());
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == 2 * kMiB; }));
}

TEST_F(BudgetTest, ClosesWhileReadaheadWaitsForMemory) {
  std::optional<LayerView> first;
  std::optional<LayerView> second;
  std::optional<Tensor> copy;
  {
    const Container container = open(5 * kMiB / 2);
    first = container.layer(0).acquire().value();
    second = container.layer(1).acquire().value();
    ASSERT_THAT(container.layer(2).prefetch(), IsOk());
    copy = second->tensors().front();
  }
  first.reset();
  second.reset();
  EXPECT_TRUE(holds(*copy, builder_.oracle().at(tensor_name(1))));
}

TEST_F(BudgetTest, MapsOnlyWhereItIsToldTo) {
  const OpenOptions mapped{.access = AccessMode::kMap, .memory_budget = kMiB};
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, mapped));
  visit(container, 0);
  EXPECT_EQ(container.stats().memory_bytes, 0U);
}

TEST_F(BudgetTest, HoldsForAllContainersThatShareIt) {
  const load::Engines engines = test_engines(4 * kMiB);
  const OpenOptions options{.access = AccessMode::kRead, .readahead_layers = 0};
  ASSERT_OK_AND_ASSIGN(const Container one, load::open_container(path_, options, engines));
  {
    ASSERT_OK_AND_ASSIGN(const Container two, load::open_container(path_, options, engines));
    for (std::uint32_t i = 0; i < 3; ++i) visit(one, i);
    for (std::uint32_t i = 0; i < 3; ++i) visit(two, i);
    EXPECT_EQ(one.stats().layers_given_up, 2U);
    EXPECT_EQ(one.stats().memory_bytes, 4 * kMiB);
    visit(one, 2);
    EXPECT_EQ(one.stats().layer_hits, 1U);
  }
  EXPECT_EQ(one.stats().memory_bytes, kMiB) << "what was kept of the other one is gone";
}

TEST_F(BudgetTest, ReturnsTheRightBytesWhateverSeveralThreadsDo) {
  const Container container = open(4 * kMiB, 2);
  std::atomic<int> wrong{0};
  std::atomic<int> loaded{0};
  const auto run = [&](std::uint32_t seed) {
    std::mt19937 generator(seed);
    const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
    for (int i = 0; i < 150; ++i) {
      const std::uint32_t id = random() % kLayers;
      const Layer layer = container.layer(id);
      if (random() % 4 == 0) (void)layer.prefetch();
      const bool patient = random() % 2 == 0;
      const auto view =
          layer.acquire(patient ? within(milliseconds(random() % 20)) : AcquireOptions{});
      if (view) {
        ++loaded;
        if (!is_layer(*view, id)) ++wrong;
      } else if (view.error().code() != ErrorCode::kLimit &&
                 view.error().code() != ErrorCode::kDeadline) {
        ++wrong;
      }
      layer.release(random() % 8 == 0 ? ReleasePages::kPageCache : ReleasePages::kMemory);
    }
  };
  std::vector<std::thread> threads;
  for (std::uint32_t seed = 0; seed < 6; ++seed) threads.emplace_back(run, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(loaded, 100);
  EXPECT_LE(container.stats().peak_memory_bytes, 4 * kMiB);
  for (std::uint32_t i = 0; i < kLayers; ++i) container.layer(i).release();
  for (std::uint32_t i = 0; i < kLayers; ++i) visit(container, i);
}

}  // namespace
}  // namespace wpack::testing
