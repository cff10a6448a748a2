// Memory runs out at every allocation in turn. What comes of it is an error of kLimit or, on the
// caller's thread, std::bad_alloc; never other bytes, a hang, or the end of the process, and what
// is asked for later is there again.
//
// In a program of its own, which counts all of its allocations.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <tuple>
#include <vector>

#include "load/engine_cases.h"
#include "load/reads_in_flight.h"
#include "load/test_container.h"
#include "wpack/transfer.h"

namespace wpack::testing {
namespace {

enum class Shortage { kNone, kOnce, kFromThenOn };

std::atomic<Shortage> shortage{Shortage::kNone};
std::atomic<std::int64_t> allocations_left{0};  // before the first that fails

bool allocation_fails() noexcept {
  const Shortage now = shortage.load();
  if (now == Shortage::kNone) return false;
  const std::int64_t left = allocations_left.fetch_sub(1);
  return now == Shortage::kOnce ? left == 0 : left <= 0;
}

}  // namespace
}  // namespace wpack::testing

void* operator new(std::size_t size) {
  if (wpack::testing::allocation_fails()) throw std::bad_alloc();
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace wpack::testing {
namespace {

struct Way {
  const char* name;
  AccessMode access;
  EngineCase engine;
  std::optional<std::uint64_t> budget = std::nullopt;
};

class AllocationTest : public ::testing::TestWithParam<std::tuple<Way, Shortage>> {
 protected:
  AllocationTest() {
    builder_.layer("first").tensor("first.run", pattern_bytes(300'000, 1));
    builder_.tensor("first.small", pattern_bytes(1'000, 5));
    builder_.layer("second").tensor("second.small", pattern_bytes(768, 2));
    builder_.new_shard().layer("last").view("last.tied", "first.run", 0, 300'000);
    builder_.tensor("last.matrix", pattern_bytes(60'000, 3)).shaped(DType::kU8, {300, 200});
    // So large that other threads fault its memory in, or bring it in, and that not all of its
    // reads are in flight at a time.
    builder_.layer("large").tensor("large", pattern_bytes(20 << 20, 4));
    path_ = builder_.build(directory_.path() / "m.wpack");
    engines_ = engines_of(way().engine, way().budget.value_or(load::MemoryBudget::kUnlimited));
    // More threads would only take more time to start.
    engines_.make_reader = [](ReadChoice choice) {
      choice.depth = std::min(choice.depth, 2U);
      return make_engine(choice);
    };
    const Container container = open_with(path_, {}).value();
    for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
      expected_.emplace_back(builder_.oracle().at(std::string(container.tensor_info(id).name)));
    matrix_ = container.find("last.matrix")->id;
    copy_.resize(expected_[0].size());
  }

  [[nodiscard]] static const Way& way() { return std::get<0>(GetParam()); }

  // Unless the host has no such engine.
  void SetUp() override {
    if (way().access == AccessMode::kMap) return;
    prepare(path_, way().engine);  // and so it stays
    ASSERT_OK_AND_ASSIGN(const Container container, open());
    if (const std::string reason = obstacle(container, way().engine); !reason.empty())
      GTEST_SKIP() << reason;
  }

  [[nodiscard]] Result<Container> open() const {
    const OpenOptions options{.verify = VerifyPolicy::kTouch,
                              .access = way().access,
                              .readahead_layers = 1,
                              .memory_budget = way().budget};
    return load::open_container(path_, options, engines_);
  }
  void start_shortage_after(std::int64_t count) {
    allocations_left = count;
    shortage = std::get<1>(GetParam());
  }
  // Returns whether an allocation failed.
  static bool end_shortage() {
    shortage = Shortage::kNone;
    return allocations_left < 0;
  }

  // What may be the end of a call while memory is short; it takes none to find out.
  template <typename Call>
  void attempt(const Call& call) {
    try {
      Status end = call();
      if (!end && end.error().code() != ErrorCode::kLimit && !wrong_)
        wrong_ = std::move(end).error();
    } catch (const std::bad_alloc&) {
    }
  }

  [[nodiscard]] Status compare(std::uint32_t tensor, std::uint64_t begin, Bytes bytes) const {
    const Bytes expected = expected_[tensor].subspan(begin, bytes.size());
    if (bytes.empty() || std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0) return {};
    return Error(ErrorCode::kInternal, "other bytes");
  }
  [[nodiscard]] Status acquire(const Layer& layer) const {
    WPACK_ASSIGN(const LayerView view, layer.acquire());
    for (const Tensor& tensor : view.tensors())
      WPACK_TRY(compare(tensor.info().id, 0, tensor.bytes()));
    return {};
  }
  [[nodiscard]] Status slice(const Container& container) const {
    WPACK_ASSIGN(const TensorSlice run, container.slice(0U, 0, 1'000, 250'000));
    WPACK_TRY(compare(0, 1'000, run.bytes()));
    WPACK_ASSIGN(const TensorSlice columns, container.slice(matrix_, 1, 50, 150));
    for (std::uint64_t row = 0; row < 300; ++row)
      WPACK_TRY(compare(matrix_, row * 200 + 50, columns.bytes().subspan(row * 100, 100)));
    return {};
  }
  // One of everything, but of what is large.
  void use(const Container& container) {
    attempt([&] { return container.layer(1).prefetch(); });
    for (std::uint32_t id = 0; id < kLarge; ++id)
      attempt([&] { return acquire(container.layer(id)); });
    attempt([&] { return slice(container); });
    attempt([&]() -> Status {
      WPACK_ASSIGN(const Tensor tensor, container.tensor(matrix_));
      return compare(matrix_, 0, tensor.bytes());
    });
    attempt([&]() -> Status {
      WPACK_TRY(read_tensor(container, 0, copy_));
      return compare(0, 0, copy_);
    });
    for (std::uint32_t id = 0; id < kLarge; ++id) {
      attempt([&]() -> Status {
        container.layer(id).release();
        return {};
      });
    }
  }

  void expect_nothing_wrong(std::int64_t number) {
    if (wrong_) ADD_FAILURE() << wrong_->message() << ", at allocation " << number;
    wrong_.reset();
  }

  static constexpr std::uint32_t kLarge = 3;  // the layer

  const TempDir directory_ = way().engine.direct ? TempDir() : TempDir::in_memory();
  ContainerBuilder builder_;
  std::string path_;
  std::vector<Bytes> expected_;  // by tensor
  std::uint32_t matrix_ = 0;
  std::vector<std::byte> copy_;
  load::Engines engines_;
  std::optional<Error> wrong_;
};

TEST_P(AllocationTest, OpensUsesAndClosesOrSaysThatMemoryIsShort) {
  bool failed = true;
  for (std::int64_t number = 0; failed && !HasFailure(); ++number) {
    std::optional<Container> container;
    start_shortage_after(number);
    attempt([&]() -> Status {
      WPACK_ASSIGN(container, open());
      return {};
    });
    if (container) {
      attempt([&] { return container->layer(1).prefetch(); });
      // Twice: whoever comes after a failure does not wait for what nobody does any more.
      for (int i = 0; i < 2; ++i) attempt([&] { return acquire(container->layer(0)); });
    }
    container.reset();
    failed = end_shortage();
    expect_nothing_wrong(number);
    EXPECT_TRUE(failed || number > 100) << "hardly anything was allocated";
    EXPECT_EQ(engines_.memory->use().pool.in_use, 0U);
  }
}

TEST_P(AllocationTest, ServesAgainWhenThereIsMemory) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  bool failed = true;
  for (std::int64_t number = 0; failed && !HasFailure(); ++number) {
    start_shortage_after(number);
    use(container);
    failed = end_shortage();
    expect_nothing_wrong(number);
    for (std::uint32_t id = 0; id < kLarge; ++id)
      EXPECT_THAT(acquire(container.layer(id)), IsOk()) << number;
    EXPECT_THAT(slice(container), IsOk()) << number;
  }
}

TEST_P(AllocationTest, LoadsWhatIsLargeOrSaysThatMemoryIsShort) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  const Layer large = container.layer(kLarge);
  bool failed = true;
  for (std::int64_t number = 0; failed && !HasFailure(); ++number) {
    start_shortage_after(number);
    attempt([&] { return acquire(large); });
    failed = end_shortage();
    expect_nothing_wrong(number);
    large.release(ReleasePages::kPageCache);
  }
  EXPECT_THAT(acquire(large), IsOk());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, AllocationTest,
    ::testing::Combine(::testing::Values(Way{"Mapped", AccessMode::kMap, kEngineCases[0]},
                                         Way{"Pread", AccessMode::kRead, kEngineCases[0]},
                                         Way{"IoUring", AccessMode::kRead, kEngineCases[3]},
                                         Way{"Budget", AccessMode::kRead, kEngineCases[0],
                                             64 << 20}),
                       ::testing::Values(Shortage::kOnce, Shortage::kFromThenOn)),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) +
             (std::get<1>(test.param) == Shortage::kOnce ? "Once" : "FromThenOn");
    });

// Holds one read until it is cancelled.
class HoldingReader final : public AsyncReader {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "holding"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return {}; }
  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    number_ = requests.front().user_data;
    return std::size_t{1};
  }
  std::size_t poll(std::span<ReadCompletion> completions, std::size_t /*min_count*/) override {
    completions.front() = {number_, Error(ErrorCode::kCancelled, "read cancelled")};
    return 1;
  }
  void cancel() noexcept override {}

 private:
  std::uint64_t number_ = 0;
};

TEST(ReadsInFlightTest, EndWhereThereIsNoMemoryToSayWhy) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(os::File file, os::File::open_read(directory.write("file", "bytes")));
  HoldingReader reader;
  load::AccessCounters counters;
  const load::ReadControl control;
  load::ReadsInFlight reads(reader, counters, control);
  std::byte out[5];
  const load::FileRead read{{std::make_shared<const os::File>(std::move(file)), nullptr}, 0, out};
  ASSERT_THAT(reads.submit({&read, 1}), IsOk());
  allocations_left = 0;
  shortage = Shortage::kFromThenOn;
  reads.stop();
  shortage = Shortage::kNone;
  EXPECT_TRUE(reads.empty());
}

}  // namespace
}  // namespace wpack::testing
