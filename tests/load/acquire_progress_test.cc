// What the callback of AcquireOptions is told, and what becomes of calls that it ends.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "load/eventually.h"
#include "load/test_container.h"
#include "support/gated_reader.h"

namespace wpack::testing {
namespace {

using std::chrono::steady_clock;

// A call that loads, and how many bytes it asks for.
struct LoadCall {
  const char* name;
  std::function<Status(const Container&, const AcquireOptions&)> load;
  std::uint64_t bytes;
};

class AcquireProgressTest : public ::testing::TestWithParam<std::tuple<AccessMode, LoadCall>> {
 protected:
  [[nodiscard]] Container open() const {
    const OpenOptions options{
        .verify = VerifyPolicy::kTouch, .access = std::get<0>(GetParam()), .readahead_layers = 0};
    return open_with(path_, options).value();
  }
  [[nodiscard]] static const LoadCall& call() { return std::get<1>(GetParam()); }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
};

TEST_P(AcquireProgressTest, IsToldOnTheCallingThreadUntilAllBytesAreThere) {
  const Container container = open();
  for (int round = 0; round < 2; ++round) {  // the second time, they are in memory already
    std::vector<Progress> told;
    const auto note = [&, caller = std::this_thread::get_id()](const Progress& progress) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      told.push_back(progress);
      return true;
    };
    ASSERT_THAT(call().load(container, {.progress = note}), IsOk());
    ASSERT_FALSE(told.empty());
    for (std::size_t i = 0; i < told.size(); ++i) {
      EXPECT_EQ(told[i].total_bytes, call().bytes);
      EXPECT_GE(told[i].done_bytes, i == 0 ? 0 : told[i - 1].done_bytes);
    }
    EXPECT_EQ(told.back().done_bytes, call().bytes);
    if (round == 0) {
      EXPECT_LT(told.front().done_bytes, call().bytes);
    }
  }
}

TEST_P(AcquireProgressTest, EndsTheCallWheneverItSaysSo) {
  bool ended = false;
  for (std::size_t stop_at = 0; !ended; ++stop_at) {
    ASSERT_LT(stop_at, 100U) << "it comes to its end at last";
    const Container container = open();
    std::size_t calls = 0;
    const auto stop = [&](const Progress&) { return calls++ < stop_at; };
    const Status status = call().load(container, {.progress = stop});
    ended = status.has_value();
    if (!ended) {
      EXPECT_THAT(status, Fails(ErrorCode::kCancelled, "m.wpack"));
      EXPECT_THAT(call().load(container, {}), IsOk());
      EXPECT_EQ(container.stats().reads_in_flight, 0U);
    }
    if (stop_at == 0) {
      EXPECT_FALSE(ended);
    }
  }
}

TEST_P(AcquireProgressTest, FailsAtADeadlineThatHasPassedAndWhereItIsToldToStop) {
  const Container container = open();
  std::stop_source source;
  source.request_stop();
  EXPECT_THAT(call().load(container, {.stop = source.get_token()}),
              Fails(ErrorCode::kCancelled, "m.wpack"));
  const auto late = steady_clock::now() - std::chrono::seconds(1);
  EXPECT_THAT(call().load(container, {.deadline = late}),
              Fails(ErrorCode::kDeadline, "deadline passed"));
  EXPECT_THAT(call().load(container, {}), IsOk());
}

Status load_first_layer(const Container& container, const AcquireOptions& options) {
  WPACK_TRY(container.layer(0).acquire(options));
  return {};
}
Status load_tensor(const Container& container, const AcquireOptions& options) {
  WPACK_TRY(container.tensor(0U, options));
  return {};
}
Status load_config(const Container& container, const AcquireOptions& options) {
  WPACK_TRY(container.attachment("config.json", options));
  return {};
}
Status load_slices(const Container& container, const AcquireOptions& options) {
  const SliceRequest requests[] = {
      {.tensor = 0, .part = {.dim = 0, .ranges = {{0, 1'000}, {200'000, 300'000}}}},
      {.tensor = 0, .part = {.dim = 0, .ranges = {{500, 600}}}}};
  WPACK_TRY(container.slices(requests, options));
  return {};
}

INSTANTIATE_TEST_SUITE_P(
    Calls, AcquireProgressTest,
    ::testing::Combine(::testing::Values(AccessMode::kMap, AccessMode::kRead),
                       ::testing::Values(LoadCall{"Layer", load_first_layer, 300'000},
                                         LoadCall{"Tensor", load_tensor, 300'000},
                                         LoadCall{"Slices", load_slices, 101'100},
                                         LoadCall{"Attachment", load_config, 70'000})),
    [](const auto& test) {
      return std::string(std::get<1>(test.param).name) +
             (std::get<0>(test.param) == AccessMode::kMap ? "Mapped" : "Read");
    });

// Of loads that take many reads, the caller also hears what lies between nothing and everything.
TEST(LargeProgressTest, TellsHowManyBytesAreThereInBetween) {
  constexpr std::uint64_t kSize = std::uint64_t{24} << 20;
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("w", pattern_bytes(kSize, 1));
  builder.attachment("config.json", pattern_bytes(300'000, 2));
  const std::string path = builder.build(directory.path() / "m.wpack");
  const SliceRequest request{
      .tensor = 0, .part = {.dim = 0, .ranges = {{0, kSize / 2}, {kSize / 2 + 8, kSize}}}};
  for (const AccessMode access : {AccessMode::kMap, AccessMode::kRead}) {
    const auto count_between = [&](const LoadCall& call) {
      const OpenOptions open{
          .verify = VerifyPolicy::kTouch, .access = access, .readahead_layers = 0};
      const Container container = open_with(path, open).value();
      int between = 0;
      const auto note = [&](const Progress& progress) {
        if (progress.done_bytes > 0 && progress.done_bytes < call.bytes) ++between;
        return true;
      };
      EXPECT_THAT(call.load(container, {.progress = note}), IsOk());
      return between;
    };
    const auto slices = [&](const Container& container, const AcquireOptions& options) -> Status {
      WPACK_TRY(container.slices({&request, 1}, options));
      return {};
    };
    EXPECT_GT(count_between({"", load_tensor, kSize}), 0);
    EXPECT_GT(count_between({"", slices, kSize - 8}), 0);
    EXPECT_GT(count_between({"", load_config, 300'000}), 0);
    // What threads beside the caller map may be there before he looks.
    if (access == AccessMode::kRead) {
      EXPECT_GT(count_between({"", load_first_layer, kSize}), 0);
    }
  }
}

// While the caller only waits, he is asked as well.
class WaitingProgressTest : public ::testing::Test {
 protected:
  // Ends the call when it was asked a few times.
  [[nodiscard]] static AcquireOptions impatient() {
    return {.progress = [calls = 0](const Progress& progress) mutable {
      EXPECT_EQ(progress.done_bytes, 0U);
      return ++calls < 3;
    }};
  }
  TempDir directory_;
  std::string path_ = sample_builder().build(directory_.path() / "m.wpack");
};

TEST_F(WaitingProgressTest, AsksTheCallerWhileAnotherThreadReads) {
  const auto gate = std::make_shared<Gate>();
  load::Engines engines = test_engines();
  engines.make_reader = [gate](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
    WPACK_ASSIGN(auto reader, make_pread_reader(1));
    return std::unique_ptr<AsyncReader>(std::make_unique<GatedReader>(std::move(reader), gate));
  };
  ASSERT_OK_AND_ASSIGN(
      const Container container,
      load::open_container(path_, {.access = AccessMode::kRead, .readahead_layers = 0}, engines));
  ASSERT_THAT(container.layer(0).prefetch(), IsOk());
  gate->wait_until_someone_waits();
  EXPECT_THAT(container.layer(0).acquire(impatient()), Fails(ErrorCode::kCancelled, "cancelled"));
  EXPECT_THAT(container.tensor(0U, impatient()), Fails(ErrorCode::kCancelled, "cancelled"));
  gate->open();
  EXPECT_THAT(container.layer(0).acquire(), IsOk());
}

TEST_F(WaitingProgressTest, AsksTheCallerWhileThereIsNoMemory) {
  constexpr std::uint64_t kBudget = std::uint64_t{1} << 20;
  ASSERT_OK_AND_ASSIGN(
      const Container container,
      load::open_container(path_, {.memory_budget = kBudget}, test_engines(kBudget)));
  ASSERT_OK_AND_ASSIGN(const HostBuffer all, container.memory_pool()->allocate(kBudget));
  AcquireOptions options = impatient();
  options.deadline = steady_clock::now() + std::chrono::minutes(10);
  EXPECT_THAT(container.layer(0).acquire(options), Fails(ErrorCode::kCancelled, "cancelled"));
}

}  // namespace
}  // namespace wpack::testing
