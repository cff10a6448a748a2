// Hosts that refuse something to the whole process: what is loaded is right all the same, and what
// was done without is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>

#include "load/test_container.h"
#include "support/child_process.h"
#include "support/open_file_limit.h"
#include "support/page_cache.h"
#include "support/system_call_filter.h"
#include "wpack/container.h"
#include "wpack/explain.h"

namespace wpack::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::uint32_t kShards = 40;
constexpr std::uint64_t kLayerSize = 300'000;

class RestrictedHostTest : public ::testing::Test {
 protected:
  RestrictedHostTest() {
    for (std::uint32_t i = 0; i < kShards; ++i) {
      if (i > 0) builder_.new_shard();
      builder_.layer(std::to_string(i)).tensor(std::to_string(i), pattern_bytes(kLayerSize, i));
    }
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  // Opens the container, whose shards are not in the page cache, in a child process.
  std::string in_child(
      const OpenOptions& options, const std::function<std::string(const Container&)>& body,
      const std::function<void()>& before_open = [] {}) {
    for (const auto& file : std::filesystem::directory_iterator(path_)) {
      if (!drop_from_page_cache(file.path().string())) return "cannot drop " + path_;
    }
    return run_in_child([&]() -> std::string {
      ::alarm(60);  // a child that hangs must not outlive the test
      before_open();
      const auto container = Container::open(path_, options);
      return container ? body(*container) : container.error().message();
    });
  }

  // Loads all layers, each of which goes before the next one comes.
  [[nodiscard]] std::string load_all(const Container& container) const {
    for (const Layer& layer : container.layers()) {
      const auto view = layer.acquire();
      if (!view) return view.error().message();
      for (const Tensor& tensor : view->tensors()) {
        if (!holds(tensor, builder_.oracle().at(std::string(tensor.name())))) return "other bytes";
      }
      layer.release();
    }
    return "all is right";
  }

  // "ENGINE instead of A: WHY; B: WHY", as the first shard is read.
  static std::string describe_choice(const Container& container) {
    const auto explanation = explain(container);
    if (!explanation) return explanation.error().message();
    const ReadChoice& choice = explanation->shards.front().choice;
    std::string text = choice.engine + " instead of ";
    for (const Refusal& refusal : choice.refused)
      text += refusal.what + ": " + refusal.reason + "; ";
    return text;
  }

  // Why the host does not read the container through io_uring; empty if it does.
  std::string without_io_uring() {
    const std::string text = in_child(kRead, describe_choice);
    return text.starts_with("io_uring ") ? "" : text;
  }

  static inline const OpenOptions kRead{.access = AccessMode::kRead, .readahead_layers = 2};

  const TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(RestrictedHostTest, ReadsByAnotherEngineWhereAFilterBlocksIoUring) {
  if (const std::string why = without_io_uring(); !why.empty()) GTEST_SKIP() << why;
  const auto block = [] { block_system_calls({SYS_io_uring_setup}, EPERM); };
  const auto load = [this](const Container& container) { return load_all(container); };
  EXPECT_EQ(in_child(kRead, load, block), "all is right");
  const std::string choice = in_child(kRead, describe_choice, block);
  EXPECT_THAT(choice, HasSubstr("io_uring: io_uring: not permitted"));
  EXPECT_FALSE(choice.starts_with("io_uring ")) << choice;
}

TEST_F(RestrictedHostTest, CountsAnEngineThatAFilterBlocksOnlyLater) {
  if (const std::string why = without_io_uring(); !why.empty()) GTEST_SKIP() << why;
  const auto load = [this](const Container& container) -> std::string {
    (void)describe_choice(container);  // tries the engines
    block_system_calls({SYS_io_uring_setup}, EPERM);
    if (std::string end = load_all(container); end != "all is right") return end;
    const AccessStats stats = container.stats();
    if (stats.fallbacks.size() != 1) return "not counted";
    return stats.fallbacks[0].what + ", " + stats.fallbacks[0].reason;
  };
  EXPECT_THAT(in_child(kRead, load), StartsWith("io_uring, io_uring: not permitted"));
}

TEST_F(RestrictedHostTest, StreamsManyShardsThroughABudgetWithFewOpenFiles) {
  constexpr std::uint64_t kBudget = 3 * kLayerSize;
  OpenOptions options = kRead;
  options.memory_budget = kBudget;
  const auto limit = [] { static const OpenFileLimit few(32); };  // while the child lives
  const auto stream = [this](const Container& container) -> std::string {
    for (int pass = 0; pass < 2; ++pass) {
      if (std::string end = load_all(container); end != "all is right") return end;
    }
    return container.stats().peak_memory_bytes > kBudget ? "over the budget" : "";
  };
  EXPECT_EQ(in_child(options, stream, limit), "");
}

}  // namespace
}  // namespace wpack::testing
