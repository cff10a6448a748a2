// A container, a simulated device and its ring, for tests of transfers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "load/test_container.h"
#include "support/faulty_reader.h"
#include "support/recording_reader.h"
#include "support/simulated_device.h"
#include "wpack/transfer.h"

namespace wpack::testing {

inline constexpr std::uint64_t kChunk = 65'536;

// Tensors of many sizes in two shards, tied and empty ones, and views that begin and end in the
// middle of chunks and at their ends.
inline ContainerBuilder transfer_builder() {
  ContainerBuilder builder;
  builder.layer("embed").tensor("embed.weight", pattern_bytes(300'000, 1));
  for (const auto& [begin, end] :
       {ByteRange{0, kChunk}, ByteRange{1, kChunk}, ByteRange{5, kChunk + 1},
        ByteRange{kChunk, 3 * kChunk}, ByteRange{kChunk - 1, 3 * kChunk + 1},
        ByteRange{250'001, 300'000}, ByteRange{299'999, 300'000}}) {
    builder.view("part." + std::to_string(begin) + "." + std::to_string(end), "embed.weight", begin,
                 end - begin);
  }
  builder.layer("layers.0").tensor("layers.0.norm", pattern_bytes(768, 2));
  builder.tensor("layers.0.up", pattern_bytes(200'001, 3)).tensor("layers.0.empty", {});
  builder.tensor("layers.0.bias", pattern_bytes(1, 4));
  builder.new_shard().layer("layers.1").tensor("layers.1.norm", pattern_bytes(768, 5));
  builder.tensor("layers.1.up", pattern_bytes(kChunk, 6));
  builder.view("layers.1.part", "layers.1.up", 512, 1'024);
  builder.layer("head").view("head.weight", "embed.weight", 0, 300'000);
  return builder;
}

class TransferTest : public ::testing::Test {
 protected:
  using MakeReader = std::function<Result<std::unique_ptr<AsyncReader>>(const ReadChoice&)>;

  [[nodiscard]] Container open(MakeReader make_reader, OpenOptions options = {}) const {
    load::Engines engines = test_engines(options.memory_budget.value_or(~std::uint64_t{0}));
    if (make_reader) engines.make_reader = std::move(make_reader);
    return load::open_container(path_, options, engines).value();
  }
  [[nodiscard]] Container open() const { return open(nullptr); }

  static MakeReader faulty(const Faults& faults) {
    return [faults](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(2));
      return std::make_unique<FaultyReader>(std::move(reader), faults);
    };
  }
  [[nodiscard]] MakeReader recording(const ReadLimits& limits) const {
    return
        [limits, recorded = recorded_](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
          WPACK_ASSIGN(auto reader, make_pread_reader(2));
          return std::make_unique<RecordingReader>(std::move(reader), limits, recorded);
        };
  }

  [[nodiscard]] const std::vector<std::byte>& expected(const TensorInfo& tensor) const {
    return builder_.oracle().at(std::string(tensor.name));
  }
  static std::uint32_t id_of(const Container& container, std::string_view name) {
    return container.find(name).value().id;
  }

  // Reads every tensor into memory that is `skew` bytes off a page, and compares.
  void expect_all_read(const Container& container, std::size_t skew) const {
    for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
      const TensorInfo tensor = container.tensor_info(id);
      const auto pool = make_host_pool(~std::uint64_t{0});
      ASSERT_OK_AND_ASSIGN(const HostBuffer memory, pool->allocate(tensor.nbytes + 4'096));
      const MutableBytes out = memory.bytes().subspan(skew, tensor.nbytes);
      ASSERT_THAT(read_tensor(container, id, out), IsOk());
      EXPECT_TRUE(std::ranges::equal(out, expected(tensor))) << "other bytes in " << tensor.name;
    }
  }

  // A device, a ring of small slots, and room for every tensor with untouched bytes behind each.
  void use(const SimulatedDeviceOptions& options, std::uint64_t slots = 2,
           std::uint64_t slot_size = kChunk + 8'192) {
    device_ = std::make_shared<SimulatedDevice>(options);
    ring_ = make_staging_ring(device_, {slots * slot_size, slot_size}).value();
  }
  struct Room {
    DeviceBuffer memory;
    std::vector<TensorDestination> tensors;
  };
  [[nodiscard]] Room make_room(const Container& container) const {
    std::uint64_t size = 0;
    for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
      size += container.tensor_info(id).nbytes + kGuard;
    Room room{device_->allocate(size).value(), {}};
    std::uint64_t place = 0;
    for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
      const std::uint64_t nbytes = container.tensor_info(id).nbytes;
      room.tensors.push_back({id, room.memory.range().sub_range(place, nbytes)});
      place += nbytes + kGuard;
    }
    return room;
  }
  [[nodiscard]] std::vector<std::byte> contents(DeviceRange range) const {
    std::vector<std::byte> bytes(range.size);
    EXPECT_THAT(device_->copy_back(range, bytes), IsOk());
    return bytes;
  }
  void expect_all_copied(const Container& container, const Room& room) const {
    for (const auto& [id, to] : room.tensors) {
      EXPECT_TRUE(contents(to) == expected(container.tensor_info(id)))
          << "other bytes in " << container.tensor_info(id).name;
      const std::vector<std::byte> guard = contents({to.address + to.size, kGuard});
      EXPECT_EQ(std::ranges::count(guard, std::byte{0}), static_cast<std::ptrdiff_t>(kGuard));
    }
  }

  static constexpr std::uint64_t kGuard = 16;
  TempDir directory_;
  ContainerBuilder builder_ = transfer_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
  std::shared_ptr<RecordedReads> recorded_ = std::make_shared<RecordedReads>();
  std::shared_ptr<SimulatedDevice> device_;
  std::shared_ptr<StagingRing> ring_;
};

}  // namespace wpack::testing
