// What statistics say of the time that callers waited, cause by cause: each is provoked alone, and
// what is waited for comes only when the wait has been counted or is sure to be.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "load/eventually.h"
#include "load/trace_recorder.h"
#include "load/transfer_fixture.h"
#include "support/gated_reader.h"

namespace wpack::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kHeldNanoseconds = 5'000'000;  // how long each cause lasts, at least

AcquireOptions within(milliseconds time) { return {.deadline = steady_clock::now() + time}; }

void hold_for_a_while() {
  const auto end = steady_clock::now() + std::chrono::nanoseconds(kHeldNanoseconds);
  while (steady_clock::now() < end) std::this_thread::sleep_until(end);
}

// Readers report nothing before the gate is open.
class GatedStallTest : public TransferTest {
 protected:
  [[nodiscard]] Container open_gated() {
    const auto make = [gate = gate_](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(1));
      return std::unique_ptr<AsyncReader>(std::make_unique<GatedReader>(std::move(reader), gate));
    };
    return open(make, {.access = AccessMode::kRead, .readahead_layers = 0, .tracer = recorder_});
  }
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::shared_ptr<TraceRecorder> recorder_ = std::make_shared<TraceRecorder>();
};

TEST_F(GatedStallTest, CountsWaitingForReadsAsStallsOfTheDisk) {
  const Container container = open_gated();
  std::thread opener([&] {
    gate_->wait_until_someone_waits();
    hold_for_a_while();
    gate_->open();
  });
  EXPECT_THAT(container.layer(0).acquire(), IsOk());
  opener.join();
  const AccessStats stats = container.stats();
  EXPECT_GE(stats.stalls.disk, kHeldNanoseconds);
  EXPECT_EQ(stats.stalls.readahead, 0U);
  EXPECT_EQ(stats.stalls.consumer, 0U);
  EXPECT_EQ(stats.background.disk, 0U);
}

TEST_F(GatedStallTest, CountsWaitingForALayerThatIsReadAheadAsStallsOfReadahead) {
  const Container container = open_gated();
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  gate_->wait_until_someone_waits();
  EXPECT_TRUE(eventually([&] {
    EXPECT_THAT(container.layer(0).acquire(within(milliseconds(2))),
                Fails(ErrorCode::kDeadline, "deadline"));
    return container.stats().stalls.readahead >= kHeldNanoseconds;
  }));
  const std::uint64_t waited = container.stats().stalls.readahead;
  EXPECT_EQ(container.stats().stalls.disk, 0U);
  EXPECT_EQ(container.stats().stalls.memory, 0U);
  gate_->open();
  ASSERT_THAT(container.layer(0).acquire(), IsOk());
  EXPECT_EQ(container.stats().stalls.disk, 0U) << "the reads were not the caller's";
  EXPECT_GE(container.stats().background.disk, waited);
}

TEST_F(GatedStallTest, CountsWaitingForATensorThatAnotherThreadReadsAsStallsOfReadahead) {
  const Container container = open_gated();
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  gate_->wait_until_someone_waits();
  EXPECT_TRUE(eventually([&] {
    EXPECT_THAT(container.tensor("embed.weight", within(milliseconds(2))),
                Fails(ErrorCode::kDeadline, "deadline"));
    return container.stats().stalls.readahead >= kHeldNanoseconds;
  }));
  EXPECT_FALSE(recorder_->of("wait for another reader").empty());
  EXPECT_EQ(container.stats().stalls.disk, 0U);
  gate_->open();
}

TEST(VerifyStallTest, CountsChecksumsAsStallsOfVerificationWhereTheyAreChecked) {
  const TempDir directory;
  const std::string path = sample_builder().build(directory.path() / "m.wpack");
  for (const AccessMode access : {AccessMode::kMap, AccessMode::kRead}) {
    for (const VerifyPolicy verify : {VerifyPolicy::kIndex, VerifyPolicy::kTouch}) {
      const OpenOptions options{.verify = verify, .access = access, .readahead_layers = 0};
      ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, options));
      const SliceRequest column{.tensor = 0, .part = {.dim = 0, .ranges = {{0, 9}, {20, 29}}}};
      ASSERT_THAT(container.slices({&column, 1}), IsOk());
      EXPECT_EQ(container.stats().stalls.verify > 0, verify == VerifyPolicy::kTouch);
      EXPECT_GT(container.stats().stalls.disk, 0U) << "gathering faults pages in";
    }
  }
}

// Ways to ask for bytes that have to wait for memory.
struct MemoryDemand {
  const char* name;
  std::function<Status(const Container&, const AcquireOptions&)> ask;
};

class MemoryStallTest : public ::testing::TestWithParam<MemoryDemand> {};

TEST_P(MemoryStallTest, CountsWaitingForRoomUnderTheBudgetAsStallsOfMemory) {
  constexpr std::uint64_t kSize = std::uint64_t{1} << 20;
  const TempDir directory;
  ContainerBuilder builder;
  for (int i = 0; i < 3; ++i) {
    builder.layer("layers." + std::to_string(i))
        .tensor("w." + std::to_string(i), pattern_bytes(kSize, static_cast<std::uint32_t>(i)));
  }
  builder.view("part", "w.2", 5, 1'000);
  const std::string path = builder.build(directory.path() / "m.wpack");
  const OpenOptions options{.readahead_layers = 0, .memory_budget = 5 * kSize / 2};
  ASSERT_OK_AND_ASSIGN(const Container container,
                       load::open_container(path, options, test_engines(5 * kSize / 2)));
  ASSERT_OK_AND_ASSIGN(const LayerView first, container.layer(0).acquire());
  ASSERT_OK_AND_ASSIGN(const LayerView second, container.layer(1).acquire());
  ASSERT_OK_AND_ASSIGN(const HostBuffer rest, container.memory_pool()->allocate(kSize / 2));
  const AccessStats before = container.stats();
  EXPECT_TRUE(eventually([&] {
    EXPECT_THAT(GetParam().ask(container, within(milliseconds(2))),
                Fails(ErrorCode::kDeadline, "the deadline passed"));
    return container.stats().stalls.memory >= before.stalls.memory + kHeldNanoseconds;
  }));
  EXPECT_EQ(container.stats().stalls.disk, before.stalls.disk) << "nothing was read";
  EXPECT_EQ(container.stats().stalls.readahead, 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Demands, MemoryStallTest,
    ::testing::Values(
        MemoryDemand{"Layer",
                     [](const Container& container, const AcquireOptions& options) -> Status {
                       WPACK_TRY(container.layer(2).acquire(options));
                       return {};
                     }},
        MemoryDemand{"Tensor",
                     [](const Container& container, const AcquireOptions& options) -> Status {
                       WPACK_TRY(container.tensor(2U, options));
                       return {};
                     }},
        MemoryDemand{"Slice",
                     [](const Container& container, const AcquireOptions& options) -> Status {
                       WPACK_TRY(container.slice(2U, 0, 0, 900'000, options));
                       return {};
                     }},
        MemoryDemand{"MemoryOfTheCaller",
                     [](const Container& container, const AcquireOptions& options) -> Status {
                       std::vector<std::byte> out(1'000);  // of a chunk that is read whole
                       return read_tensor(container, container.find("part").value().id, out,
                                          {.deadline = options.deadline});
                     }}),
    [](const auto& test) { return test.param.name; });

TEST_F(TransferTest, CountsWaitingForASlotAsStallsOfTheConsumer) {
  use({}, 2);
  const auto recorder = std::make_shared<TraceRecorder>();
  const Container container = open(nullptr, {.tracer = recorder});
  device_->hold();
  std::thread slow([&] {
    EXPECT_TRUE(eventually([&] { return container.stats().stalls.consumer >= kHeldNanoseconds; }));
    device_->resume();
  });
  EXPECT_THAT(load_layer(container, 0, *ring_), IsOk());
  slow.join();
  EXPECT_FALSE(recorder->of("wait for a slot").empty());
  EXPECT_EQ(recorder->of("wait for copies").size(), 1U);
  EXPECT_EQ(container.stats().stalls.memory, 0U);
  EXPECT_EQ(container.stats().background.consumer, 0U);
}

TEST_F(TransferTest, CountsNoWaitForASlotWhereTheDeviceIsAsFastAsTheReads) {
  const auto recorder = std::make_shared<TraceRecorder>();
  const Container container = open(nullptr, {.tracer = recorder});
  ASSERT_OK_AND_ASSIGN(
      const auto ring,
      make_staging_ring(make_host_device(), {.pinned_budget = 8 * kChunk, .slot_size = kChunk}));
  ASSERT_THAT(load_layer(container, 0, *ring), IsOk());
  EXPECT_TRUE(recorder->of("wait for a slot").empty());
  std::vector<std::byte> out(300'000);
  const std::uint64_t before = container.stats().stalls.consumer;
  ASSERT_THAT(read_tensor(container, 0, out), IsOk());
  EXPECT_EQ(container.stats().stalls.consumer, before) << "no device took part";
}

}  // namespace
}  // namespace wpack::testing
