// Transfers that are stopped, late, or made by several threads at once.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "load/transfer_fixture.h"

namespace wpack::testing {
namespace {

using std::chrono::steady_clock;

TEST_F(TransferTest, RefusesARingThatIsInUse) {
  use({});
  const Container container = open();
  ASSERT_TRUE(ring_->claim());
  EXPECT_THAT(load_layer(container, 0, *ring_), Fails(ErrorCode::kInvalidArgument, "in use"));
  ring_->unclaim();
  EXPECT_THAT(load_layer(container, 0, *ring_), IsOk());
}

TEST_F(TransferTest, FailsAtADeadlineThatHasPassed) {
  use({});
  const Container container = open();
  std::vector<std::byte> out(300'000);
  const TransferOptions options{.deadline = steady_clock::now() - std::chrono::seconds(1)};
  EXPECT_THAT(read_tensor(container, 0, out, options),
              Fails(ErrorCode::kDeadline, "m.wpack: tensor 'embed.weight': the deadline"));
  EXPECT_THAT(load_layer(container, 0, *ring_, options), Fails(ErrorCode::kDeadline, "deadline"));
}

TEST_F(TransferTest, FailsAtTheDeadlineWhileTheDeviceIsSlow) {
  use({});
  const Container container = open();
  device_->hold();
  const auto deadline = steady_clock::now() + std::chrono::milliseconds(50);
  std::thread slow([&] {
    std::this_thread::sleep_until(deadline);
    device_->resume();
  });
  EXPECT_THAT(load_layer(container, 0, *ring_, {.deadline = deadline}),
              Fails(ErrorCode::kDeadline, "deadline"));
  EXPECT_EQ(device_->under_way(), 0U);
  EXPECT_EQ(device_->stats().in_use, 0U);
  slow.join();
  EXPECT_THAT(load_layer(container, 0, *ring_), IsOk());
}

TEST_F(TransferTest, StopsWhenTheFlagIsSetWhileTheDeviceIsSlow) {
  use({});
  const Container container = open();
  std::atomic<bool> stop{false};
  device_->hold();
  std::thread stopper([&] {
    while (device_->accepted() < 2) std::this_thread::yield();
    stop = true;
    device_->resume();
  });
  EXPECT_THAT(load_layer(container, 0, *ring_, {.stop = &stop}),
              Fails(ErrorCode::kCancelled, "cancelled"));
  stopper.join();
  EXPECT_EQ(device_->under_way(), 0U);
  EXPECT_THAT(load_layer(container, 0, *ring_), IsOk());
}

TEST_F(TransferTest, ReportsProgressAndStopsWhenItIsToldTo) {
  use({});
  const Container container = open();
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  const ProgressCallback note = [&](const Progress& progress) {
    done.push_back(progress.done_bytes);
    total = progress.total_bytes;
    return true;
  };
  ASSERT_THAT(load_layer(container, 0, *ring_, {.progress = note}), IsOk());
  EXPECT_TRUE(std::ranges::is_sorted(done));
  EXPECT_EQ(done.back(), 300'000U);
  EXPECT_EQ(total, 300'000U);
  for (std::size_t stop_at = 0; stop_at < 3; ++stop_at) {
    std::size_t calls = 0;
    const ProgressCallback stop = [&](const Progress&) { return calls++ < stop_at; };
    EXPECT_THAT(load_layer(container, 0, *ring_, {.progress = stop}),
                Fails(ErrorCode::kCancelled, "cancelled"));
    std::vector<std::byte> out(300'000);
    calls = 0;
    if (stop_at == 0) {
      EXPECT_THAT(read_tensor(container, 0, out, {.progress = stop}),
                  Fails(ErrorCode::kCancelled, "cancelled"));
    }
  }
  EXPECT_EQ(device_->under_way(), 0U);
}

TEST_F(TransferTest, LoadsForSeveralThreadsAtOnceEachWithItsRing) {
  use({.seed = 9});
  const Container container = open();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (std::uint32_t id = 0; id < 4; ++id) {
    threads.emplace_back([&, id] {
      const auto ring = make_staging_ring(device_, {2 * kChunk + 16'384, kChunk + 8'192}).value();
      for (int round = 0; round < 5; ++round) {
        auto layer = load_layer(container, id, *ring);
        if (!layer) {
          ++wrong;
          continue;
        }
        for (const DeviceTensor& tensor : layer->tensors())
          wrong += contents(tensor.range) == expected(tensor.info) ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace wpack::testing
