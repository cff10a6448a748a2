// What a memory budget refuses, and the budget that the refusal names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "load/test_container.h"
#include "wpack/transfer.h"

namespace wpack::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// The budget that a refusal names; 0 if it names none.
std::uint64_t named_budget(const Error& error) {
  static constexpr std::string_view kBefore = "a budget of ";
  const std::size_t at = error.message().find(kBefore);
  return at == std::string::npos ? 0 : std::stoull(error.message().substr(at + kBefore.size()));
}

// Two layers: a matrix of 600 rows of 4,001 bytes, and two small tensors.
class BudgetRefusalTest : public ::testing::TestWithParam<VerifyPolicy> {
 protected:
  using Ask = std::function<Status(const Container&)>;

  BudgetRefusalTest() {
    builder_.layer("a").tensor("small", pattern_bytes(1'000, 1));
    builder_.tensor("w", pattern_bytes(600 * 4'001, 2)).shaped(DType::kU8, {600, 4'001});
    builder_.view("part", "w", 5, 200'000);
    builder_.layer("b").tensor("b.0", pattern_bytes(50'000, 3));
    builder_.tensor("b.1", pattern_bytes(50'000, 4));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  [[nodiscard]] Container open(std::uint64_t budget) const {
    load::Engines engines = test_engines();
    engines.memory = std::make_shared<load::MemoryBudget>(
        make_host_pool({.budget = budget, .keep_free = budget}), budget);
    const OpenOptions options{.verify = GetParam(), .readahead_layers = 0, .memory_budget = budget};
    return load::open_container(path_, options, engines).value();
  }

  // Expects `ask` to be refused with `budget`, to go well with the one that the refusal names, and
  // to be refused again with a byte less. Returns the named one.
  std::uint64_t expect_exact(std::uint64_t budget, const std::string& who, const Ask& ask) const {
    const Status refused = ask(open(budget));
    EXPECT_THAT(refused, Fails(ErrorCode::kLimit, "m.wpack: " + who));
    if (refused) return 0;
    const std::uint64_t enough = named_budget(refused.error());
    EXPECT_GT(enough, budget) << refused.error().message();
    const Container container = open(enough);
    EXPECT_THAT(ask(container), IsOk()) << "with " << enough << " bytes";
    EXPECT_LE(container.stats().peak_memory_bytes, enough);
    EXPECT_THAT(ask(open(enough - 1)), Fails(ErrorCode::kLimit, who));
    return enough;
  }

  template <typename Value>
  [[nodiscard]] static Status status_of(const Result<Value>& result) {
    return result ? Status() : Status(result.error());
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

INSTANTIATE_TEST_SUITE_P(Policies, BudgetRefusalTest,
                         ::testing::Values(VerifyPolicy::kIndex, VerifyPolicy::kTouch));

TEST_P(BudgetRefusalTest, NamesTheBudgetForALayer) {
  expect_exact(kMiB, "layer 'a' takes 2404352 bytes",
               [](const Container& container) { return status_of(container.layer(0).acquire()); });
}

TEST_P(BudgetRefusalTest, NamesTheBudgetForATensor) {
  const std::uint64_t enough =
      expect_exact(kMiB, "tensor 'w': 2404352 bytes are over the memory budget: 0 of ",
                   [](const Container& container) { return status_of(container.tensor("w")); });
  EXPECT_EQ(enough, 2'404'352U);
}

TEST_P(BudgetRefusalTest, NamesTheBudgetForASliceOfOneRun) {
  for (const std::uint64_t budget : {std::uint64_t{4'096}, std::uint64_t{512} << 10}) {
    expect_exact(budget, "slice of tensor 'w': ", [](const Container& container) {
      return status_of(container.slice("w", 0, 100, 500));
    });
  }
}

TEST_P(BudgetRefusalTest, NamesTheBudgetForASliceThatIsGatheredWithWhatIsReadForIt) {
  for (const std::uint64_t budget : {std::uint64_t{4'096}, std::uint64_t{256} << 10}) {
    const std::uint64_t enough =
        expect_exact(budget, "slice of tensor 'w': ", [](const Container& container) {
          return status_of(container.slice("w", 1, 0, 1'000));
        });
    EXPECT_GT(enough, 600'000U);
    EXPECT_LT(enough, 600'000U + 3 * 65'536) << "small reads would do";
  }
}

TEST_P(BudgetRefusalTest, NamesTheBudgetForSeveralSlices) {
  expect_exact(64 << 10, "3 slices from tensor 'small' on: ", [](const Container& container) {
    const std::vector<SliceRequest> requests = {
        {.tensor = 0},
        {.tensor = 1, .part = {.dim = 1, .ranges = {{7, 90}}}},
        {.tensor = 4, .part = {.dim = 0, .ranges = {{0, 20'000}, {30'000, 50'000}}}}};
    return status_of(container.slices(requests));
  });
}

TEST_P(BudgetRefusalTest, NamesTheBudgetForATensorThatIsReadIntoMemoryOfTheCaller) {
  // It begins and ends inside chunks, which go through memory of the budget.
  expect_exact(4'096, "tensor 'part': ", [](const Container& container) {
    std::vector<std::byte> out(200'000);
    return read_tensor(container, container.find("part").value().id, out);
  });
}

TEST_P(BudgetRefusalTest, AddsWhatHandlesHold) {
  const auto beside_a_layer = [](const auto& ask) {
    return [ask](const Container& container) {
      const auto held = container.layer("b").value().acquire();
      if (!held) return status_of(held);
      return status_of(ask(container));
    };
  };
  EXPECT_EQ(expect_exact(2'404'352, "tensor 'w': ", beside_a_layer([](const Container& container) {
                           return container.tensor("w");
                         })),
            2'404'352U + 102'400);
  for (const std::uint64_t budget : {600'000U, 700'000U}) {
    expect_exact(budget, "slice of tensor 'w': ", beside_a_layer([](const Container& container) {
                   return container.slice("w", 1, 0, 1'000);
                 }));
  }
}

TEST_P(BudgetRefusalTest, GivesUpWhatNobodyHoldsBeforeItRefuses) {
  const Container container = open(2'404'352);
  ASSERT_THAT(container.layer(1).acquire(), IsOk());
  container.layer(1).release();
  EXPECT_THAT(container.tensor("w"), IsOk());
  ASSERT_THAT(container.layer(1).acquire(), IsOk());
  container.layer(1).release();
  EXPECT_THAT(container.slice("w", 1, 0, 3'800), IsOk());
  EXPECT_EQ(container.stats().layers_given_up, 2U);
}

TEST_P(BudgetRefusalTest, ReturnsTheSameBytesWhateverTheReadsFitInto) {
  ASSERT_OK_AND_ASSIGN(const TensorSlice expected, open(64 * kMiB).slice("w", 1, 5, 1'005));
  for (std::uint64_t budget = 800 << 10; budget < 3 * kMiB; budget += 100 << 10) {
    const Container container = open(budget);
    ASSERT_OK_AND_ASSIGN(const TensorSlice slice, container.slice("w", 1, 5, 1'005));
    EXPECT_TRUE(std::ranges::equal(slice.bytes(), expected.bytes())) << budget;
    EXPECT_LE(container.stats().peak_memory_bytes, budget);
  }
}

}  // namespace
}  // namespace wpack::testing
