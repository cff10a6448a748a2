// Random use from several threads at once, against what was put in. Run it under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

constexpr int kThreads = 4;
constexpr int kSteps = 400;
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

class Actor {
 public:
  Actor(Container container, const ContainerBuilder& builder, std::uint32_t seed)
      : container_(std::move(container)), builder_(builder), random_(seed) {}

  // Returns the first thing that is wrong, or "".
  std::string run() {
    for (int step = 0; step < kSteps; ++step) {
      if (std::string wrong = act(); !wrong.empty()) return wrong;
    }
    return "";
  }

 private:
  std::string act() {
    const Layer layer = container_.layer(pick(kLayers));
    switch (pick(8)) {
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
      default:
        return check_all();
    }
  }

  std::string prefetch(const Layer& layer) {
    const Status status = layer.prefetch();
    return status ? "" : status.error().message();
  }
  std::string acquire(const Layer& layer) {
    auto view = layer.acquire();
    if (!view) return view.error().message();
    views_.push_back(*std::move(view));
    return check(views_.back());
  }
  std::string tensor(std::uint32_t id) {
    auto tensor = container_.tensor(id);
    if (!tensor) return tensor.error().message();
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
  std::string check(const LayerView& view) {
    for (const Tensor& held : view.tensors()) {
      if (std::string wrong = check(held); !wrong.empty()) return wrong;
    }
    return "";
  }
  std::string check(const Tensor& held) {
    const std::string name(held.name());
    return holds(held, builder_.oracle().at(name)) ? "" : "other bytes in " + name;
  }

  std::uint32_t pick(std::size_t count) { return static_cast<std::uint32_t>(random_() % count); }

  Container container_;
  const ContainerBuilder& builder_;
  std::mt19937 random_;
  std::vector<LayerView> views_;
  std::vector<Tensor> tensors_;
};

class RaceTest : public ::testing::TestWithParam<AccessMode> {};
INSTANTIATE_TEST_SUITE_P(Access, RaceTest, kAccessModes, access_name);

TEST_P(RaceTest, ReturnsTheRightBytesWhateverSeveralThreadsDo) {
  const TempDir directory;
  ContainerBuilder builder = many_layers();
  const std::string path = builder.build(directory.path() / "m.wpack");
  for (std::uint32_t round = 0; round < 5; ++round) {
    std::vector<std::string> wrong(kThreads);
    std::vector<std::thread> threads;
    {
      ASSERT_OK_AND_ASSIGN(const Container container,
                           open_with(path, {.verify = VerifyPolicy::kTouch,
                                            .access = GetParam(),
                                            .readahead_layers = round % 3}));
      for (std::uint32_t id = 0; id < kThreads; ++id) {
        threads.emplace_back([&builder, &wrong, id, round, copy = container] {
          wrong[id] = Actor(copy, builder, round * 100 + id).run();
        });
      }
      // The opener's handle goes while the others work; the last of them ends the container.
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& message : wrong) EXPECT_EQ(message, "") << "round " << round;
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
