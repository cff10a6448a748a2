// Random use from several threads at once, against what was put in. Run it under ThreadSanitizer.
// A seed repeats what each thread does; WPACK_STRESS_ROUNDS=1000 goes on for minutes, with other
// seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <stop_token>
#include <thread>

#include "load/engine_cases.h"
#include "load/test_container.h"

// ThreadSanitizer does not see liburing map and unmap rings: one that is gone, and the next at its
// address, are the same bytes to it.
extern "C" const char* __tsan_default_suppressions();  // NOLINT: the sanitizer's name for it
extern "C" const char* __tsan_default_suppressions() { return "race:io_uring_queue.cc\n"; }

namespace wpack::testing {
namespace {

constexpr std::size_t kThreads = 8;
constexpr std::uint32_t kLayers = 8;

// Layers that share extents with the first and with each other, over several shards.
ContainerBuilder many_layers() {
  ContainerBuilder builder;
  builder.layer("layer.0").tensor("layer.0.shared", pattern_bytes(150'000, 100));
  for (std::uint32_t i = 1; i < kLayers; ++i) {
    const std::string name = "layer." + std::to_string(i);
    if (i % 3 == 0) builder.new_shard();
    builder.layer(name);
    builder.tensor(name + ".a", pattern_bytes(1000 * i, i))
        .tensor(name + ".b", pattern_bytes(80'000, 50 + i));
    builder.view(name + ".tied", "layer.0.shared", 256, 100'000);
    if (i > 2) builder.view(name + ".part", "layer." + std::to_string(i - 1) + ".b", 0, 5000);
  }
  return builder;
}

// What all threads of a round have in common.
struct Scene {
  const std::string& path;
  const ContainerBuilder& builder;
  OpenOptions options;
  const EngineCase* engine = nullptr;  // null: pread of two threads
  int steps = 150;

  [[nodiscard]] Result<Container> open() const {
    const std::uint64_t budget = options.memory_budget.value_or(load::MemoryBudget::kUnlimited);
    return load::open_container(
        path, options, engine == nullptr ? test_engines(budget) : engines_of(*engine, budget));
  }
};

class Actor {
 public:
  Actor(Container container, const Scene& scene, std::uint32_t seed)
      : container_(std::move(container)), scene_(scene), random_(seed) {}

  // Returns the first thing that is wrong, or "".
  std::string run() {
    for (int step = 0; step < scene_.steps; ++step) {
      if (std::string wrong = act(); !wrong.empty()) return wrong;
    }
    return "";
  }

 private:
  std::string act() {
    const Layer layer = container_.layer(pick(container_.layer_count()));
    switch (pick(12)) {
      case 0:
      case 1:
        return prefetch(layer);
      case 2:
      case 3:
        return acquire(layer);
      case 4:
        layer.release(pick(2) == 0 ? ReleasePages::kMemory : ReleasePages::kPageCache);
        return "";
      case 5:
        return tensor(pick(container_.tensor_count()));
      case 6:
        return forget();
      case 7:
        return slice(pick(container_.tensor_count()));
      case 8:
        return load_until_a_deadline(layer);
      case 9:
        return load_until_stopped(layer);
      case 10:
        return pick(8) == 0 ? reopen() : forget();
      default:
        return check_all();
    }
  }

  std::string prefetch(const Layer& layer) {
    const Status status = layer.prefetch();
    return status ? "" : status.error().message();
  }
  std::string acquire(const Layer& layer, const AcquireOptions& options = {}) {
    auto view = layer.acquire(options);
    if (!view) return check(view.error(), options);
    views_.push_back(*std::move(view));
    return check(views_.back());
  }
  // A layer, a tensor or a slice.
  std::string load(const Layer& layer, const AcquireOptions& options) {
    const std::uint32_t id = pick(container_.tensor_count());
    switch (pick(3)) {
      case 0:
        return acquire(layer, options);
      case 1:
        return tensor(id, options);
      default:
        return slice(id, options);
    }
  }
  std::string load_until_a_deadline(const Layer& layer) {
    AcquireOptions options;
    options.deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(pick(300));
    return load(layer, options);
  }
  std::string load_until_stopped(const Layer& layer) {
    std::stop_source source;
    std::thread stopper([&source] { source.request_stop(); });
    AcquireOptions options;
    options.stop = source.get_token();
    std::string wrong = load(layer, options);
    stopper.join();
    return wrong;
  }
  std::string slice(std::uint32_t id, const AcquireOptions& options = {}) {
    const TensorInfo info = container_.tensor_info(id);
    const std::uint64_t begin = pick(info.nbytes);
    const std::uint64_t end = begin + pick(info.nbytes - begin) + 1;
    const auto slice = container_.slice(id, 0, begin, end, options);
    if (!slice) return check(slice.error(), options);
    const Bytes expected =
        Bytes(scene_.builder.oracle().at(std::string(info.name))).subspan(begin, end - begin);
    return std::ranges::equal(slice->bytes(), expected) ? "" : "other bytes in a slice";
  }
  // The last handle may be this one, while what it read ahead is under way.
  std::string reopen() {
    views_.clear();
    tensors_.clear();
    auto opened = scene_.open();
    if (!opened) return opened.error().message();
    container_ = *std::move(opened);
    return "";
  }
  std::string tensor(std::uint32_t id, const AcquireOptions& options = {}) {
    auto tensor = container_.tensor(id, options);
    if (!tensor) return check(tensor.error(), options);
    tensors_.push_back(*std::move(tensor));
    return check(tensors_.back());
  }
  std::string forget() {
    if (!views_.empty()) views_.erase(views_.begin() + pick(views_.size()));
    if (!tensors_.empty()) tensors_.erase(tensors_.begin() + pick(tensors_.size()));
    return "";
  }
  std::string check_all() {
    for (const LayerView& view : views_) {
      if (std::string wrong = check(view); !wrong.empty()) return wrong;
    }
    for (const Tensor& held : tensors_) {
      if (std::string wrong = check(held); !wrong.empty()) return wrong;
    }
    if (views_.size() > 6) views_.clear();
    if (tensors_.size() > 6) tensors_.clear();
    return "";
  }
  // Only what was asked for may go wrong, and a budget that others hold.
  std::string check(const Error& error, const AcquireOptions& options) {
    if (error.code() == ErrorCode::kDeadline && options.deadline) return "";
    if (error.code() == ErrorCode::kCancelled && options.stop.stop_possible()) return "";
    if (error.code() == ErrorCode::kLimit && scene_.options.memory_budget) {
      views_.clear();
      tensors_.clear();
      return "";
    }
    return error.message();
  }
  std::string check(const LayerView& view) {
    for (const Tensor& held : view.tensors()) {
      if (std::string wrong = check(held); !wrong.empty()) return wrong;
    }
    return "";
  }
  std::string check(const Tensor& held) {
    const std::string name(held.name());
    return holds(held, scene_.builder.oracle().at(name)) ? "" : "other bytes in " + name;
  }

  std::uint32_t pick(std::size_t count) { return static_cast<std::uint32_t>(random_() % count); }

  Container container_;
  const Scene& scene_;
  std::mt19937 random_;
  std::vector<LayerView> views_;
  std::vector<Tensor> tensors_;
};

std::uint32_t round_count() {
  const char* const wanted = std::getenv("WPACK_STRESS_ROUNDS");
  return wanted == nullptr ? 4 : static_cast<std::uint32_t>(std::atoi(wanted));
}

void expect_right_bytes(const Scene& scene, std::uint32_t round) {
  std::vector<std::string> wrong(kThreads);
  std::vector<std::thread> threads;
  {
    ASSERT_OK_AND_ASSIGN(const Container container, scene.open());
    for (std::uint32_t id = 0; id < kThreads; ++id) {
      threads.emplace_back([&scene, &wrong, id, round, copy = container] {
        wrong[id] = Actor(copy, scene, round * 100 + id).run();
      });
    }
    // The opener's handle goes while the others work; the last of them ends the container.
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& message : wrong) EXPECT_EQ(message, "") << "round " << round;
}

class RaceTest : public ::testing::TestWithParam<AccessMode> {};
INSTANTIATE_TEST_SUITE_P(Access, RaceTest, kAccessModes, access_name);

TEST_P(RaceTest, ReturnsTheRightBytesWhateverSeveralThreadsDo) {
  const TempDir directory;
  ContainerBuilder builder = many_layers();
  const std::string path = builder.build(directory.path() / "m.wpack");
  for (std::uint32_t round = 0; round < round_count(); ++round) {
    expect_right_bytes({.path = path,
                        .builder = builder,
                        .options = {.verify = VerifyPolicy::kTouch,
                                    .access = GetParam(),
                                    .readahead_layers = round % 3}},
                       round);
  }
}

class EngineRaceTest : public ::testing::TestWithParam<EngineCase> {
 protected:
  // Unless the host has no such engine.
  void expect_right_bytes_of(ContainerBuilder builder, int steps, std::uint32_t rounds) {
    const TempDir directory;
    const std::string path = builder.build(directory.path() / "m.wpack");
    for (std::uint32_t round = 0; round < rounds; ++round) {
      prepare(path, GetParam());
      const Scene scene{.path = path,
                        .builder = builder,
                        .options = {.access = AccessMode::kRead, .readahead_layers = 1 + round % 2},
                        .engine = &GetParam(),
                        .steps = steps};
      ASSERT_OK_AND_ASSIGN(const Container container, scene.open());
      if (const std::string reason = obstacle(container, GetParam()); !reason.empty())
        GTEST_SKIP() << reason;
      expect_right_bytes(scene, round);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, EngineRaceTest, ::testing::ValuesIn(kEngineCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(EngineRaceTest, ReturnsTheRightBytesWhateverSeveralThreadsDo) {
  expect_right_bytes_of(many_layers(), 150, std::max(round_count() / 2, 1U));
}

// So large that other threads take the faults of its memory.
ContainerBuilder with_a_large_layer() {
  ContainerBuilder builder = many_layers();
  builder.new_shard().layer("large").tensor("large", pattern_bytes((17 << 20) + 5, 200));
  return builder;
}

TEST_P(EngineRaceTest, ReturnsTheRightBytesOfALargeLayer) {
  expect_right_bytes_of(with_a_large_layer(), 25, std::max(round_count() / 4, 1U));
}

// Mapped, it is brought in by several threads where memory does not hold it.
TEST(LargeRaceTest, ReturnsTheRightBytesOfALargeMappedLayer) {
  const TempDir directory;
  ContainerBuilder builder = with_a_large_layer();
  const std::string path = builder.build(directory.path() / "m.wpack");
  for (std::uint32_t round = 0; round < std::max(round_count() / 2, 1U); ++round) {
    make_cold(path);
    expect_right_bytes({.path = path,
                        .builder = builder,
                        .options = {.verify = VerifyPolicy::kTouch, .readahead_layers = 2},
                        .steps = 25},
                       round);
  }
}

TEST(BudgetRaceTest, ReturnsTheRightBytesOrSaysThatTheBudgetIsSpent) {
  const TempDir directory;
  ContainerBuilder builder = many_layers();
  const std::string path = builder.build(directory.path() / "m.wpack");
  for (std::uint32_t round = 0; round < round_count(); ++round) {
    expect_right_bytes({.path = path,
                        .builder = builder,
                        .options = {.readahead_layers = round % 3,
                                    .memory_budget = 900'000 + round % 4 * 300'000}},
                       round);
  }
}

TEST_P(RaceTest, ReadsAnExtentOnceForAllThreadsThatWaitForIt) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("a", pattern_bytes(8 << 20, 1));
  const std::string path = builder.build(directory.path() / "m.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(path, {.verify = VerifyPolicy::kTouch, .access = GetParam()}));
  std::vector<std::optional<Tensor>> tensors(kThreads);
  std::vector<std::optional<LayerView>> views(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      if (auto tensor = container.tensor("a")) tensors[id] = *std::move(tensor);
      if (auto view = container.layer(0).acquire()) views[id] = *std::move(view);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t id = 0; id < kThreads; ++id) {
    ASSERT_TRUE(tensors[id] && views[id]);
    EXPECT_EQ(tensors[id]->bytes().data(), tensors[0]->bytes().data());
    EXPECT_EQ(views[id]->tensors()[0].bytes().data(), tensors[0]->bytes().data());
  }
  if (GetParam() == AccessMode::kRead) {
    EXPECT_EQ(container.stats().read_bytes, std::uint64_t{8} << 20);
  }
}

}  // namespace
}  // namespace wpack::testing
