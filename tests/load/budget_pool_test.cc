// The memory budget of containers as a pool, and staging rings that are charged to it.
#include "load/budget_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "load/eventually.h"
#include "load/transfer_fixture.h"
#include "staging/buffer_pool_conformance.h"

namespace wpack::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Budget, BufferPoolConformanceTest,
                         ::testing::Values(BufferPoolCase{
                             "budget", [](std::uint64_t budget) {
                               return load::make_budget_pool(std::make_shared<load::MemoryBudget>(
                                   make_host_pool(budget), budget));
                             }}));

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint32_t kLayers = 6;

// Layers of one tensor of 1 MiB each.
class RingBudgetTest : public ::testing::Test {
 protected:
  RingBudgetTest() {
    for (std::uint32_t i = 0; i < kLayers; ++i) {
      builder_.layer("layers." + std::to_string(i))
          .tensor("w." + std::to_string(i), pattern_bytes(kMiB, i));
    }
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  [[nodiscard]] Container open(std::uint64_t budget, std::uint32_t readahead = 0) const {
    const OpenOptions options{.readahead_layers = readahead, .memory_budget = budget};
    return load::open_container(path_, options, test_engines(budget)).value();
  }
  // Of the container's memory.
  [[nodiscard]] Result<std::shared_ptr<StagingRing>> make_ring(const Container& container,
                                                               std::uint64_t size) const {
    return make_staging_ring(
        device_, {.pinned_budget = size, .slot_size = size / 2, .pool = container.memory_pool()});
  }
  void visit(const Container& container, std::uint32_t i) const {
    ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer(i).acquire());
    EXPECT_TRUE(holds(view.tensors().front(), builder_.oracle().at("w." + std::to_string(i))));
    container.layer(i).release();
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
  std::shared_ptr<Device> device_ = make_host_device();
};

TEST_F(RingBudgetTest, CountsARingAsPartOfTheBudgetAsLongAsItLives) {
  const Container container = open(4 * kMiB);
  {
    ASSERT_OK_AND_ASSIGN(const auto ring, make_ring(container, kMiB));
    EXPECT_EQ(container.stats().memory_bytes, kMiB);
    EXPECT_EQ(container.memory_pool()->stats().in_use, kMiB);
  }
  EXPECT_EQ(container.stats().memory_bytes, 0U);
}

TEST_F(RingBudgetTest, NeverPassesTheBudgetWithLayersAndARingAtOnce) {
  constexpr std::uint64_t kBudget = 7 * kMiB / 2;  // the ring, and 2.5 layers
  for (const std::uint32_t readahead : {0U, 2U}) {
    const Container container = open(kBudget, readahead);
    ASSERT_OK_AND_ASSIGN(const auto ring, make_ring(container, kMiB));
    for (std::uint32_t i = 0; i < kLayers; ++i) {
      visit(container, i);
      ASSERT_OK_AND_ASSIGN(const DeviceLayer copy, load_layer(container, i, *ring));
      std::vector<std::byte> bytes(kMiB);
      ASSERT_THAT(device_->copy_back(copy.tensors().front().range, bytes), IsOk());
      EXPECT_EQ(bytes, builder_.oracle().at("w." + std::to_string(i)));
    }
    EXPECT_LE(container.stats().peak_memory_bytes, kBudget);
    EXPECT_GT(container.stats().peak_memory_bytes, 2 * kMiB) << "both were there at once";
  }
}

TEST_F(RingBudgetTest, GivesUpLayersThatNobodyHoldsForARing) {
  const Container container = open(4 * kMiB);
  for (std::uint32_t i = 0; i < 4; ++i) visit(container, i);
  ASSERT_OK_AND_ASSIGN(const auto ring, make_ring(container, 2 * kMiB));
  EXPECT_EQ(container.stats().layers_given_up, 2U);
  EXPECT_LE(container.stats().peak_memory_bytes, 4 * kMiB);
  visit(container, 3);
  EXPECT_EQ(container.stats().layer_hits, 1U) << "the one released last is still there";
}

TEST_F(RingBudgetTest, RefusesARingThatDoesNotFitBesideWhatHandlesHold) {
  const Container container = open(4 * kMiB);
  std::vector<LayerView> views;
  for (std::uint32_t i = 0; i < 3; ++i) views.push_back(container.layer(i).acquire().value());
  EXPECT_THAT(
      make_ring(container, 2 * kMiB),
      Fails(ErrorCode::kLimit, "allocation of 2097152 bytes: 2097152 bytes are over the memory"));
  EXPECT_EQ(container.stats().layers_given_up, 0U);
  visit(container, 3);
  EXPECT_THAT(make_ring(container, 8 * kMiB), Fails(ErrorCode::kLimit, "8388608 bytes"));
  EXPECT_EQ(container.stats().layers_given_up, 0U) << "nothing is given up in vain";
}

TEST_F(RingBudgetTest, LetsReadaheadHaveTheMemoryOfARingThatGoes) {
  const Container container = open(5 * kMiB / 2);
  ASSERT_OK_AND_ASSIGN(auto ring, make_ring(container, 2 * kMiB));
  EXPECT_THAT(container.layer(0).acquire(), Fails(ErrorCode::kLimit, "over the memory budget"))
      << "nobody knows when it goes";
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(container.stats().prefetched_bytes, 0U);
  ring.reset();
  EXPECT_TRUE(eventually([&] { return container.stats().prefetched_bytes == kMiB; }));
}

TEST_F(RingBudgetTest, LeavesARingUsableWhenItsContainerIsGone) {
  std::shared_ptr<StagingRing> ring;
  {
    const Container container = open(4 * kMiB);
    ring = make_ring(container, kMiB).value();
  }
  const Container other = open(4 * kMiB);
  EXPECT_THAT(load_layer(other, 0, *ring), IsOk());
  EXPECT_EQ(other.stats().memory_bytes, 0U) << "the ring is another budget's";
}

}  // namespace
}  // namespace wpack::testing
