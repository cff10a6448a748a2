// The devices that there are: each runs the conformance suite.
#include <gtest/gtest.h>

#include "staging/device_conformance.h"
#include "support/memory_lock_limit.h"
#include "support/sanitizer.h"
#include "support/simulated_device.h"
#include "wpack/buffer_pool.h"

namespace wpack::testing {
namespace {

std::shared_ptr<Device> make_simulated(std::uint64_t budget, std::uint32_t seed, bool refuse_pins) {
  return std::make_shared<SimulatedDevice>(
      SimulatedDeviceOptions{.budget = budget, .seed = seed, .refuse_pins = refuse_pins});
}

INSTANTIATE_TEST_SUITE_P(
    Devices, DeviceConformanceTest,
    ::testing::Values(
        DeviceCase{"Host",
                   [](std::uint64_t budget) { return make_host_device({.budget = budget}); }},
        DeviceCase{"Simulated",
                   [](std::uint64_t budget) { return make_simulated(budget, 1, false); }},
        DeviceCase{"SimulatedWithoutPins",
                   [](std::uint64_t budget) { return make_simulated(budget, 2, true); }}),
    [](const auto& test) { return test.param.name; });

TEST(HostDeviceTest, HandsOutMemoryThatTheHostMayTouch) {
  const auto device = make_host_device();
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(3));
  const std::vector<std::byte> source = pattern_bytes(3, 1);
  ASSERT_OK_AND_ASSIGN(const CopyTicket ticket, device->copy(source, memory.range()));
  ASSERT_THAT(device->wait(ticket), IsOk());
  const auto* bytes = reinterpret_cast<const std::byte*>(memory.range().address);
  EXPECT_TRUE(std::equal(source.begin(), source.end(), bytes));
}

TEST(HostDeviceTest, GoesOnUnpinnedWhereTheSystemLocksNoMemory) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take every lock of memory for granted";
  const MemoryLockLimit none(0);
  const auto device = make_host_device();
  ASSERT_OK_AND_ASSIGN(const HostBuffer host, make_host_pool(4'096)->allocate(4'096));
  EXPECT_THAT(device->pin(host.bytes()), Fails(ErrorCode::kLimit, "RLIMIT_MEMLOCK"));
  EXPECT_EQ(device->stats().pins_refused, 1U);
  EXPECT_EQ(device->stats().pinned, 0U);
}

TEST(SimulatedDeviceTest, ReadsItsSourceLateSoThatReuseShows) {
  const auto device = std::make_shared<SimulatedDevice>(SimulatedDeviceOptions{});
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(1'000));
  std::vector<std::byte> source = pattern_bytes(1'000, 1);
  device->hold();
  ASSERT_OK_AND_ASSIGN(const CopyTicket ticket, device->copy(source, memory.range()));
  EXPECT_FALSE(device->poll(ticket).has_value());
  std::ranges::copy(pattern_bytes(1'000, 2), source.begin());
  device->resume();
  ASSERT_THAT(device->wait(ticket), IsOk());
  std::vector<std::byte> out(1'000);
  ASSERT_THAT(device->copy_back(memory.range(), out), IsOk());
  EXPECT_EQ(out, source);
}

TEST(SimulatedDeviceTest, EndsCopiesInAnotherOrderThanTheyCame) {
  const auto device = std::make_shared<SimulatedDevice>(SimulatedDeviceOptions{.seed = 3});
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(8));
  const std::vector<std::byte> source = pattern_bytes(8, 1);
  device->hold();
  for (int i = 0; i < 32; ++i) ASSERT_THAT(device->copy(source, memory.range()), IsOk());
  device->resume();
  ASSERT_THAT(device->synchronise(), IsOk());
  EXPECT_TRUE(device->has_reordered());
}

TEST(SimulatedDeviceTest, FailsTheCopyThatItWasToldToFail) {
  const auto device = std::make_shared<SimulatedDevice>(
      SimulatedDeviceOptions{.refuse_copy_at = 1, .fail_copy_at = 1});
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(8));
  const std::vector<std::byte> source = pattern_bytes(8, 1);
  ASSERT_OK_AND_ASSIGN(const CopyTicket first, device->copy(source, memory.range()));
  EXPECT_THAT(device->copy(source, memory.range()), Fails(ErrorCode::kIo, "refused"));
  ASSERT_OK_AND_ASSIGN(const CopyTicket second, device->copy(source, memory.range()));
  EXPECT_THAT(device->wait(second), Fails(ErrorCode::kIo, "copy of 8 bytes"));
  EXPECT_THAT(device->wait(first), IsOk());
  EXPECT_EQ(device->stats().copies_failed, 1U);
}

}  // namespace
}  // namespace wpack::testing
