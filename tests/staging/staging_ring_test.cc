#include "wpack/staging_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "staging/poison.h"
#include "staging/slot_state.h"
#include "support/memory_lock_limit.h"
#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "support/sanitizer.h"
#include "support/simulated_device.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace wpack::testing {
namespace {

using staging::SlotEvent;
using staging::SlotState;
using std::chrono::steady_clock;

constexpr std::uint64_t kSlot = 8'192;

// What must not be possible with a handle does not compile.
template <typename T>
concept CanCopyToDevice = requires(T slot) {
  slot.copy(ByteRange{}, DeviceRange{});
};
template <typename T>
concept CanSealInPlace = requires(T& slot) {
  slot.seal();
};
template <typename T>
concept CanViewATemporary = requires(T slot) {
  std::move(slot).bytes();
};
template <typename T>
concept CanWrite = requires(T& slot) {
  slot.bytes()[0] = std::byte{1};
};
static_assert(!CanCopyToDevice<WritableSlot> && CanCopyToDevice<FilledSlot>);
static_assert(CanWrite<WritableSlot> && !CanWrite<FilledSlot>);
static_assert(!CanSealInPlace<WritableSlot> && !CanSealInPlace<FilledSlot>);
static_assert(!CanViewATemporary<WritableSlot> && !CanViewATemporary<FilledSlot>);
static_assert(!std::copy_constructible<WritableSlot> && !std::copy_constructible<FilledSlot>);
static_assert(!std::is_constructible_v<WritableSlot, FilledSlot>);
static_assert(!std::is_default_constructible_v<WritableSlot>);
static_assert(!std::is_default_constructible_v<FilledSlot>);

TEST(SlotStateTest, AllowsExactlyTheTransitionsOfTheTable) {
  struct Transition {
    SlotState from;
    SlotEvent event;
    SlotState to;
  };
  constexpr Transition kAllowed[] = {
      {SlotState::kFree, SlotEvent::kAcquire, SlotState::kFilling},
      {SlotState::kFilling, SlotEvent::kSeal, SlotState::kFilled},
      {SlotState::kFilling, SlotEvent::kDrop, SlotState::kFree},
      {SlotState::kFilled, SlotEvent::kCopy, SlotState::kFilled},
      {SlotState::kFilled, SlotEvent::kDrop, SlotState::kFree},
      {SlotState::kFilled, SlotEvent::kDropUnderCopy, SlotState::kDraining},
      {SlotState::kDraining, SlotEvent::kDrained, SlotState::kFree},
  };
  for (const SlotState state :
       {SlotState::kFree, SlotState::kFilling, SlotState::kFilled, SlotState::kDraining}) {
    for (const SlotEvent event :
         {SlotEvent::kAcquire, SlotEvent::kSeal, SlotEvent::kCopy, SlotEvent::kDrop,
          SlotEvent::kDropUnderCopy, SlotEvent::kDrained}) {
      const auto* const found = std::ranges::find_if(
          kAllowed, [&](const auto& row) { return row.from == state && row.event == event; });
      const auto next = staging::state_after(state, event);
      if (found == std::end(kAllowed)) {
        EXPECT_FALSE(next) << static_cast<int>(state) << " by " << static_cast<int>(event);
      } else {
        EXPECT_EQ(next, found->to);
      }
    }
  }
}

class StagingRingTest : public ::testing::Test {
 protected:
  void use(const SimulatedDeviceOptions& options, std::uint64_t slots = 3) {
    device_ = std::make_shared<SimulatedDevice>(options);
    auto ring = make_staging_ring(device_, {.pinned_budget = slots * kSlot, .slot_size = kSlot});
    ASSERT_THAT(ring, IsOk());
    ring_ = *std::move(ring);
    memory_ = device_->allocate(source_.size()).value();
  }

  [[nodiscard]] DeviceRange destination(std::size_t piece) const {
    return memory_.range().sub_range(piece * kSlot, kSlot);
  }

  // Fills a slot with a piece of the source and starts its copy.
  [[nodiscard]] Result<FilledSlot> stage(WritableSlot slot, std::size_t piece) {
    std::ranges::copy(Bytes(source_).subspan(piece * kSlot, kSlot), slot.bytes().begin());
    FilledSlot filled = std::move(slot).seal();
    WPACK_TRY(filled.copy({0, kSlot}, destination(piece)));
    return filled;
  }

  // Streams the whole source through the ring.
  [[nodiscard]] Status stream() {
    for (std::size_t piece = 0; piece < source_.size() / kSlot; ++piece) {
      WPACK_ASSIGN(WritableSlot slot, ring_->acquire({}));
      WPACK_TRY(stage(std::move(slot), piece));
    }
    return ring_->drain();
  }

  void expect_all_copied() const {
    std::vector<std::byte> out(source_.size());
    ASSERT_THAT(device_->copy_back(memory_.range(), out), IsOk());
    EXPECT_TRUE(out == source_) << "other bytes on the device";
  }

  const std::vector<std::byte> source_ = pattern_bytes(40 * kSlot, 1);
  std::shared_ptr<SimulatedDevice> device_;
  std::shared_ptr<StagingRing> ring_;
  DeviceBuffer memory_;
};

TEST_F(StagingRingTest, CutsItsBudgetIntoSlotsThatBeginOnPages) {
  const auto device = make_host_device();
  ASSERT_OK_AND_ASSIGN(const auto ring, make_staging_ring(device, {.pinned_budget = 3 * kSlot + 5,
                                                                   .slot_size = kSlot}));
  EXPECT_EQ(ring->stats().slot_count, 3U);
  EXPECT_EQ(ring->stats().slot_size, kSlot);
  std::set<const std::byte*> places;
  std::vector<WritableSlot> slots;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring->acquire({}));
    EXPECT_EQ(slot.bytes().size(), kSlot);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slot.bytes().data()) % 4'096, 0U);
    std::ranges::fill(slot.bytes(), std::byte{1});
    places.insert(slot.bytes().data());
    slots.push_back(std::move(slot));
  }
  EXPECT_EQ(places.size(), 3U);
  EXPECT_LE(*places.rbegin() + kSlot - *places.begin(), static_cast<std::ptrdiff_t>(3 * kSlot));
  ASSERT_OK_AND_ASSIGN(const auto none, ring->try_acquire());
  EXPECT_FALSE(none.has_value());
}

TEST_F(StagingRingTest, RejectsOptionsThatGiveNoSlots) {
  const auto device = make_host_device();
  for (const StagingOptions& options :
       {StagingOptions{.pinned_budget = 4'095, .slot_size = 4'096},
        StagingOptions{.pinned_budget = 8'192, .slot_size = 0},
        StagingOptions{.pinned_budget = 8'192, .slot_size = 5'000},
        StagingOptions{.pinned_budget = ~std::uint64_t{0}, .slot_size = 4'096}}) {
    EXPECT_THAT(make_staging_ring(device, options),
                Fails(ErrorCode::kInvalidArgument, std::to_string(options.slot_size)));
  }
}

TEST_F(StagingRingTest, StreamsMoreThanItsBudgetWhateverTheOrderOfCompletions) {
  bool reordered = false;
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    for (const std::uint64_t slots : {1, 2, 3, 8}) {
      use({.seed = seed}, slots);
      ASSERT_THAT(stream(), IsOk());
      expect_all_copied();
      EXPECT_EQ(ring_->stats().copied_bytes, source_.size());
      reordered = reordered || device_->has_reordered();
    }
  }
  EXPECT_TRUE(reordered);
}

TEST_F(StagingRingTest, WaitsForASlowDeviceAndWrapsAround) {
  use({});
  device_->hold();
  std::thread slow([&] {
    while (device_->accepted() < 3) std::this_thread::yield();
    device_->resume();
  });
  ASSERT_THAT(stream(), IsOk());
  slow.join();
  expect_all_copied();
  EXPECT_GE(ring_->stats().waits, 1U);
}

TEST_F(StagingRingTest, NeverReusesASlotUnderACopyOrALiveHandle) {
  use({});
  device_->hold();
  ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
  const std::byte* const place = slot.bytes().data();
  {
    ASSERT_OK_AND_ASSIGN(const FilledSlot dropped, stage(std::move(slot), 0));
    EXPECT_EQ(dropped.bytes().data(), place);
  }
  ASSERT_OK_AND_ASSIGN(WritableSlot second, ring_->acquire({}));
  ASSERT_OK_AND_ASSIGN(const FilledSlot held, stage(std::move(second), 1));
  ASSERT_OK_AND_ASSIGN(const WritableSlot third, ring_->acquire({}));
  EXPECT_NE(third.bytes().data(), place);
  ASSERT_OK_AND_ASSIGN(const auto none, ring_->try_acquire());
  EXPECT_FALSE(none.has_value());
  device_->resume();
  ASSERT_THAT(ring_->drain(), IsOk());
  ASSERT_OK_AND_ASSIGN(const WritableSlot again, ring_->acquire({}));
  EXPECT_EQ(again.bytes().data(), place);
  EXPECT_TRUE(std::ranges::equal(held.bytes(), Bytes(source_).subspan(kSlot, kSlot)));
  ASSERT_OK_AND_ASSIGN(const auto still_none, ring_->try_acquire());
  EXPECT_FALSE(still_none.has_value()) << "a handle to the second slot lives";
}

TEST_F(StagingRingTest, GivesASlotBackThatWasNotFilledOrNotCopied) {
  use({}, 1);
  for (int round = 0; round < 3; ++round) {
    { ASSERT_OK_AND_ASSIGN(const WritableSlot dropped, ring_->acquire({})); }
    ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
    const FilledSlot filled = std::move(slot).seal();
    ASSERT_OK_AND_ASSIGN(const auto none, ring_->try_acquire());
    EXPECT_FALSE(none.has_value());
  }
  EXPECT_EQ(device_->accepted(), 0U);
}

TEST_F(StagingRingTest, RefusesToCopyFromASlotThatWasMovedAwayOrBeyondItsEnd) {
  use({});
  ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
  FilledSlot filled = std::move(slot).seal();
  EXPECT_THAT(filled.copy({0, kSlot + 1}, destination(0)),
              Fails(ErrorCode::kInvalidArgument, "it has 8192"));
  EXPECT_THAT(filled.copy({2, 1}, destination(0)), Fails(ErrorCode::kInvalidArgument, "[2, 1)"));
  const FilledSlot moved = std::move(filled);
  EXPECT_THAT(
      filled.copy({0, 1}, destination(0).sub_range(0, 1)),  // NOLINT(bugprone-use-after-move)
      Fails(ErrorCode::kInvalidArgument, "it has 0"));
}

TEST_F(StagingRingTest, StopsWaitingAtTheDeadlineAndAtTheFlag) {
  use({}, 1);
  device_->hold();
  {
    ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
    ASSERT_THAT(stage(std::move(slot), 0), IsOk());
  }
  EXPECT_THAT(ring_->acquire({.deadline = steady_clock::now() - std::chrono::seconds(1)}),
              Fails(ErrorCode::kDeadline, "staging slot"));
  EXPECT_THAT(ring_->acquire({.deadline = steady_clock::now() + std::chrono::milliseconds(5)}),
              Fails(ErrorCode::kDeadline, "staging slot"));
  std::atomic<bool> stop{false};
  std::thread stopper([&] { stop = true; });
  EXPECT_THAT(ring_->acquire({.stop = &stop}), Fails(ErrorCode::kCancelled, "staging slot"));
  stopper.join();
  device_->resume();
  EXPECT_THAT(ring_->acquire({}), IsOk());
}

TEST_F(StagingRingTest, StopsWaitingForHandlesAtTheDeadlineAndWakesWhenOneIsDropped) {
  use({}, 1);
  ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
  EXPECT_THAT(ring_->acquire({.deadline = steady_clock::now() + std::chrono::milliseconds(5)}),
              Fails(ErrorCode::kDeadline, "staging slot"));
  std::thread other([held = std::move(slot)]() mutable {
    std::ranges::fill(held.bytes(), std::byte{1});
    const FilledSlot filled = std::move(held).seal();
  });
  EXPECT_THAT(ring_->acquire({}), IsOk());
  other.join();
}

TEST_F(StagingRingTest, ReportsEveryCopyThatFailsAndWorksAgainAfterwards) {
  const std::uint64_t pieces = source_.size() / kSlot;
  for (const bool refuse : {false, true}) {
    for (std::uint64_t n = 0; n <= pieces; ++n) {
      SimulatedDeviceOptions options{.seed = static_cast<std::uint32_t>(n + 1)};
      (refuse ? options.refuse_copy_at : options.fail_copy_at) = n;
      use(options);
      const Status first = stream();
      if (n < pieces) {
        EXPECT_THAT(first, Fails(ErrorCode::kIo, refuse ? "refused" : "ended with an error"));
        (void)ring_->drain();
        EXPECT_EQ(device_->under_way(), 0U);
        ASSERT_THAT(stream(), IsOk());
      } else {
        EXPECT_THAT(first, IsOk());
      }
      expect_all_copied();
    }
  }
}

TEST_F(StagingRingTest, WaitsForCopiesUnderWayWhenItIsDestroyed) {
  use({});
  device_->hold();
  for (std::size_t piece = 0; piece < 3; ++piece) {
    ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
    ASSERT_THAT(stage(std::move(slot), piece), IsOk());
  }
  std::thread later([this] { device_->resume(); });
  ring_.reset();
  EXPECT_EQ(device_->under_way(), 0U);
  later.join();
  std::vector<std::byte> out(3 * kSlot);
  ASSERT_THAT(device_->copy_back(memory_.range().sub_range(0, 3 * kSlot), out), IsOk());
  EXPECT_TRUE(std::ranges::equal(out, Bytes(source_).first(3 * kSlot)));
}

TEST_F(StagingRingTest, LivesAsLongAsASlotOfIt) {
  use({});
  ASSERT_OK_AND_ASSIGN(WritableSlot slot, ring_->acquire({}));
  ring_.reset();
  ASSERT_OK_AND_ASSIGN(FilledSlot filled, stage(std::move(slot), 0));
  EXPECT_EQ(filled.bytes().size(), kSlot);
}

TEST_F(StagingRingTest, GoesOnUnpinnedWhereTheDeviceRefuses) {
  use({.refuse_pins = true});
  EXPECT_EQ(ring_->stats().pinned_slots, 0U);
  EXPECT_EQ(device_->stats().pins_refused, 3U);
  ASSERT_THAT(stream(), IsOk());
  expect_all_copied();
}

TEST_F(StagingRingTest, PinsWhatTheLimitOfLockedMemoryAllows) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take every lock of memory for granted";
  const MemoryLockLimit two_slots(2 * kSlot);
  use({});
  EXPECT_EQ(ring_->stats().pinned_slots, 2U);
  EXPECT_EQ(device_->stats().pinned, 2 * kSlot);
  ASSERT_THAT(stream(), IsOk());
  expect_all_copied();
  ring_.reset();
  EXPECT_EQ(device_->stats().pinned, 0U);
}

TEST_F(StagingRingTest, GoesOnWhereNoMemoryMayBeLocked) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take every lock of memory for granted";
  const MemoryLockLimit none(0);
  use({});
  EXPECT_EQ(ring_->stats().pinned_slots, 0U);
  ASSERT_THAT(stream(), IsOk());
  expect_all_copied();
}

TEST_F(StagingRingTest, PoisonsSlotsThatNobodyOwns) {
  use({}, 1);
  std::byte* place = nullptr;
  {
    ASSERT_OK_AND_ASSIGN(const WritableSlot slot, ring_->acquire({}));
    place = slot.bytes().data();
    std::ranges::fill(slot.bytes(), std::byte{1});
  }
#ifdef __SANITIZE_ADDRESS__
  EXPECT_TRUE(__asan_address_is_poisoned(place));
  EXPECT_TRUE(__asan_address_is_poisoned(place + kSlot - 1));
#endif
  ASSERT_OK_AND_ASSIGN(const WritableSlot slot, ring_->acquire({}));
  EXPECT_EQ(slot.bytes().data(), place);
  if (!staging::poison_fills()) GTEST_SKIP() << "this build fills no memory";
  EXPECT_TRUE(
      std::ranges::all_of(slot.bytes(), [](std::byte byte) { return byte == staging::kPoison; }));
}

TEST_F(StagingRingTest, IsClaimedByOneUserAtATime) {
  use({});
  EXPECT_TRUE(ring_->claim());
  EXPECT_FALSE(ring_->claim());
  ring_->unclaim();
  EXPECT_TRUE(ring_->claim());
}

}  // namespace
}  // namespace wpack::testing
