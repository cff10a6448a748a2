#include "staging/device_conformance.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "wpack/buffer_pool.h"

namespace wpack::testing {
namespace {

TEST_P(DeviceConformanceTest, CopiesEveryByteToItsPlaceAndTouchesNoOther) {
  const auto device = make();
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(100'000));
  EXPECT_EQ(memory.range().size, 100'000U);
  EXPECT_EQ(memory.range().address % 256, 0U);
  std::vector<std::byte> expected = pattern_bytes(100'000, 1);
  ASSERT_OK_AND_ASSIGN(const CopyTicket all, device->copy(expected, memory.range()));
  ASSERT_THAT(device->wait(all), IsOk());
  const std::vector<std::byte> part = pattern_bytes(777, 2);
  ASSERT_OK_AND_ASSIGN(const CopyTicket some,
                       device->copy(part, memory.range().sub_range(4'001, 777)));
  ASSERT_THAT(device->wait(some), IsOk());
  std::ranges::copy(part, expected.begin() + 4'001);
  EXPECT_EQ(contents(*device, memory.range()), expected);
}

TEST_P(DeviceConformanceTest, EndsEveryCopyExactlyOnceInWhateverOrderItIsAsked) {
  const auto device = make();
  constexpr std::uint64_t kCount = 64;
  constexpr std::uint64_t kSize = 5'000;
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(kCount * kSize));
  const std::vector<std::byte> source = pattern_bytes(kCount * kSize, 3);
  std::vector<CopyTicket> tickets;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_OK_AND_ASSIGN(const CopyTicket ticket,
                         device->copy(Bytes(source).subspan(i * kSize, kSize),
                                      memory.range().sub_range(i * kSize, kSize)));
    EXPECT_EQ(std::ranges::count(tickets, ticket), 0);
    tickets.push_back(ticket);
  }
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const CopyTicket ticket = tickets[i * 37 % kCount];
    std::optional<Status> end = device->poll(ticket);
    if (!end) end = device->wait(ticket);
    EXPECT_THAT(*end, IsOk());
  }
  EXPECT_EQ(contents(*device, memory.range()), source);
  for (const CopyTicket ticket : tickets)
    EXPECT_THAT(device->wait(ticket), Fails(ErrorCode::kInvalidArgument, "copy"));
  EXPECT_EQ(device->stats().copies, kCount);
  EXPECT_EQ(device->stats().copied_bytes, kCount * kSize);
}

TEST_P(DeviceConformanceTest, EndsCopiesOfNothing) {
  const auto device = make();
  ASSERT_OK_AND_ASSIGN(const CopyTicket ticket, device->copy({}, {}));
  EXPECT_THAT(device->wait(ticket), IsOk());
}

TEST_P(DeviceConformanceTest, HasEndedEveryCopyThatWasAcceptedAfterSynchronising) {
  const auto device = make();
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(kMiB));
  const std::vector<std::byte> source = pattern_bytes(kMiB, 4);
  std::vector<CopyTicket> tickets;
  for (int i = 0; i < 8; ++i) {
    ASSERT_OK_AND_ASSIGN(const CopyTicket ticket, device->copy(source, memory.range()));
    tickets.push_back(ticket);
  }
  ASSERT_THAT(device->synchronise(), IsOk());
  for (const CopyTicket ticket : tickets) {
    const std::optional<Status> end = device->poll(ticket);
    ASSERT_TRUE(end.has_value());
    EXPECT_THAT(*end, IsOk());
  }
  EXPECT_EQ(contents(*device, memory.range()), source);
}

TEST_P(DeviceConformanceTest, RejectsCopiesThatDoNotFitTheirDestination) {
  const auto device = make();
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer memory, device->allocate(4'096));
  const std::vector<std::byte> source = pattern_bytes(4'097, 5);
  EXPECT_THAT(device->copy(source, memory.range()),
              Fails(ErrorCode::kInvalidArgument, "4097 bytes"));
  const DeviceRange beyond{memory.range().address, 4'097};
  EXPECT_THAT(device->copy(source, beyond), Fails(ErrorCode::kInvalidArgument, "4097 bytes"));
  EXPECT_THAT(device->copy(Bytes(source).first(16), {0, 16}),
              Fails(ErrorCode::kInvalidArgument, "16 bytes"));
  std::vector<std::byte> out(1);
  EXPECT_THAT(device->copy_back(memory.range(), out),
              Fails(ErrorCode::kInvalidArgument, "1 bytes"));
  EXPECT_EQ(device->stats().copies, 0U);
}

TEST_P(DeviceConformanceTest, HoldsItsMemoryToTheBudgetAndTakesItBack) {
  const auto device = make(kMiB);
  EXPECT_THAT(device->allocate(kMiB + 1), Fails(ErrorCode::kLimit, "1048577 bytes"));
  EXPECT_THAT(device->allocate(~std::uint64_t{0}), Fails(ErrorCode::kLimit, "bytes"));
  for (int round = 0; round < 3; ++round) {
    ASSERT_OK_AND_ASSIGN(DeviceBuffer memory, device->allocate(kMiB));
    EXPECT_THAT(device->allocate(1), Fails(ErrorCode::kLimit, "1 bytes"));
    const DeviceBuffer moved = std::move(memory);
    memory = DeviceBuffer();
    EXPECT_EQ(device->stats().in_use, kMiB);
  }
  ASSERT_OK_AND_ASSIGN(const DeviceBuffer empty, device->allocate(0));
  EXPECT_EQ(empty.range().size, 0U);
  EXPECT_EQ(device->stats().in_use, 0U);
  EXPECT_EQ(device->stats().peak, kMiB);
}

TEST_P(DeviceConformanceTest, PinsWholePagesOrCountsTheRefusal) {
  const auto device = make();
  ASSERT_OK_AND_ASSIGN(const HostBuffer host, make_host_pool(kMiB)->allocate(65'536));
  EXPECT_THAT(device->pin(host.bytes().subspan(1, 4'096)),
              Fails(ErrorCode::kInvalidArgument, "whole pages"));
  EXPECT_THAT(device->pin(host.bytes().first(100)),
              Fails(ErrorCode::kInvalidArgument, "whole pages"));
  for (int round = 0; round < 3; ++round) {
    auto pin = device->pin(host.bytes());
    const DeviceStats stats = device->stats();
    if (pin) {
      EXPECT_EQ(stats.pinned, 65'536U);
      const PinnedMemory moved = *std::move(pin);
      EXPECT_EQ(device->stats().pinned, 65'536U);
    } else {
      EXPECT_EQ(pin.error().code(), ErrorCode::kLimit);
      EXPECT_EQ(stats.pins_refused, static_cast<std::uint64_t>(round) + 1);
    }
    EXPECT_EQ(device->stats().pinned, 0U);
  }
}

TEST_P(DeviceConformanceTest, CopiesForSeveralThreadsAtOnce) {
  const auto device = make();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t id = 1; id <= 4; ++id) {
    threads.emplace_back([&, id] {
      for (std::uint32_t round = 0; round < 20; ++round) {
        auto memory = device->allocate(9'000);
        const std::vector<std::byte> source = pattern_bytes(9'000, id * 100 + round);
        auto ticket = device->copy(source, memory->range());
        std::vector<std::byte> out(9'000);
        const bool good = ticket && device->wait(*ticket) &&
                          device->copy_back(memory->range(), out) && out == source;
        if (!good) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(DeviceConformanceTest, SurvivesTheEndOfItsMemoryAndItselfWithCopiesUnderWay) {
  std::vector<std::byte> source = pattern_bytes(kMiB, 6);
  auto device = make();
  ASSERT_OK_AND_ASSIGN(DeviceBuffer memory, device->allocate(kMiB));
  for (int i = 0; i < 8; ++i) ASSERT_THAT(device->copy(source, memory.range()), IsOk());
  device.reset();
  memory = DeviceBuffer();
  std::ranges::fill(source, std::byte{0});  // no one reads now
}

}  // namespace
}  // namespace wpack::testing
