// Readahead and demands that read at the same time: who goes first.
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "load/eventually.h"
#include "load/test_container.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kBlock = 65'536;
constexpr std::uint32_t kDepth = 2;

// What one reader did, and how many of its reads may end.
class ReaderControl {
 public:
  void allow(std::uint64_t count) {
    {
      const std::lock_guard lock(mutex_);
      allowed_ += count;
    }
    changed_.notify_all();
  }
  [[nodiscard]] std::uint64_t submitted() const {
    const std::lock_guard lock(mutex_);
    return submitted_;
  }
  void add_submitted(std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    submitted_ += count;
  }
  // Waits until a read may end; returns how many, at most `count`.
  [[nodiscard]] std::uint64_t take(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return allowed_ > 0; });
    const std::uint64_t taken = std::min(count, allowed_);
    allowed_ -= taken;
    return taken;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t submitted_ = 0;
  std::uint64_t allowed_ = 0;
};

// Takes kDepth reads at a time, and ends them when the test says so.
class HeldReader final : public AsyncReader {
 public:
  HeldReader(std::unique_ptr<AsyncReader> reader, std::shared_ptr<ReaderControl> control)
      : reader_(std::move(reader)), control_(std::move(control)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "held"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return {.max_in_flight = kDepth}; }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    const std::size_t room = kDepth - in_flight_;
    WPACK_ASSIGN(const std::size_t accepted,
                 reader_->submit(requests.first(std::min(room, requests.size()))));
    in_flight_ += accepted;
    control_->add_submitted(accepted);
    return accepted;
  }

  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    if (in_flight_ == 0) return 0;
    std::uint64_t left = control_->take(std::min<std::uint64_t>(completions.size(), in_flight_));
    std::size_t polled = 0;
    for (; left > 0; --left)
      polled += reader_->poll(completions.subspan(polled, 1), std::max<std::size_t>(min_count, 1));
    in_flight_ -= polled;
    return polled;
  }

  void cancel() noexcept override {
    control_->allow(in_flight_);
    reader_->cancel();
  }

 private:
  std::unique_ptr<AsyncReader> reader_;
  std::shared_ptr<ReaderControl> control_;
  std::size_t in_flight_ = 0;
};

// Two layers of eight blocks each, and readers by the order in which they were made.
class DemandFirstTest : public ::testing::Test {
 protected:
  DemandFirstTest() {
    for (const char* name : {"ahead", "demanded"})
      builder_.layer(name).tensor(name, pattern_bytes(8 * kBlock, name[0]));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  // Blocks are as large as the budget that the policy knows; the memory itself has none.
  [[nodiscard]] Container open() {
    load::Engines engines = test_engines();
    engines.make_reader = [this](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(1));
      const std::lock_guard lock(mutex_);
      return std::make_unique<HeldReader>(std::move(reader), controls_.at(made_++));
    };
    const OpenOptions options{.readahead_layers = 0, .memory_budget = kBlock};
    return load::open_container(path_, options, engines).value();
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
  std::mutex mutex_;
  std::size_t made_ = 0;
  std::vector<std::shared_ptr<ReaderControl>> controls_ = {std::make_shared<ReaderControl>(),
                                                           std::make_shared<ReaderControl>()};
};

TEST_F(DemandFirstTest, LeavesReadaheadOneReadAtATimeWhileADemandReads) {
  const Container container = open();
  ReaderControl& ahead = *controls_[0];
  ReaderControl& demand = *controls_[1];
  ASSERT_THAT(container.layer("ahead").value().prefetch(), IsOk());
  ASSERT_TRUE(eventually([&] { return ahead.submitted() == kDepth; }));
  bool loaded = false;
  std::thread demanding([&] {
    const auto view = container.layer("demanded").value().acquire();
    loaded = view && holds(view->tensors().front(), builder_.oracle().at("demanded"));
  });
  EXPECT_TRUE(eventually([&] { return demand.submitted() == kDepth; }));
  // The two that were under way end, and one follows; then one for each that ends.
  ahead.allow(2);
  EXPECT_TRUE(eventually([&] { return ahead.submitted() == 3; })) << ahead.submitted();
  ahead.allow(1);
  EXPECT_TRUE(eventually([&] { return ahead.submitted() == 4; })) << ahead.submitted();
  demand.allow(8);
  demanding.join();
  EXPECT_TRUE(loaded);
  EXPECT_EQ(ahead.submitted(), 4U);
  ahead.allow(1);
  EXPECT_TRUE(eventually([&] { return ahead.submitted() == 6; })) << "it has the disk to itself";
  ahead.allow(8);
  ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer("ahead").value().acquire());
  EXPECT_TRUE(holds(view.tensors().front(), builder_.oracle().at("ahead")));
}

}  // namespace
}  // namespace wpack::testing
