// Loading into memory of the caller and of devices: every byte in its place, or an error and
// nothing under way.
#include "wpack/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "load/test_container.h"
#include "support/faulty_reader.h"
#include "support/recording_reader.h"
#include "support/simulated_device.h"

namespace wpack::testing {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kChunk = 65'536;

// Tensors of many sizes in two shards, tied and empty ones, and views that begin and end in the
// middle of chunks and at their ends.
ContainerBuilder transfer_builder() {
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

TEST_F(TransferTest, ReadsEveryTensorIntoMemoryOfTheCaller) {
  const std::vector<MakeReader> readers = {nullptr, faulty({.hold_back = 3, .seed = 7}),
                                           recording({.max_in_flight = 1}),
                                           recording({.max_in_flight = 2,
                                                      .offset_alignment = 512,
                                                      .memory_alignment = 512,
                                                      .size_alignment = 512}),
                                           recording({.max_in_flight = 8,
                                                      .offset_alignment = 4'096,
                                                      .memory_alignment = 4'096,
                                                      .size_alignment = 4'096})};
  for (const MakeReader& reader : readers) {
    for (const std::size_t skew : {0, 1, 512}) expect_all_read(open(reader), skew);
  }
  expect_all_read(open(nullptr, {.access = AccessMode::kMap}), 0);
  expect_all_read(open(nullptr, {.verify = VerifyPolicy::kIndex}), 3);
}

TEST_F(TransferTest, ReadsWholeChunksStraightToTheirPlace) {
  const Container container = open(recording({.max_in_flight = 4}));
  std::vector<std::byte> out(300'000);
  ASSERT_THAT(read_tensor(container, id_of(container, "embed.weight"), out), IsOk());
  ASSERT_FALSE(recorded_->places.empty());
  for (const MutableBytes place : recorded_->places) {
    EXPECT_GE(place.data(), out.data());
    EXPECT_LE(place.data() + place.size(), out.data() + out.size());
  }
  EXPECT_EQ(container.stats().peak_memory_bytes, 0U);
  EXPECT_EQ(container.stats().read_bytes, 300'000U);
  EXPECT_EQ(container.stats().verified_bytes, 300'000U);
}

TEST_F(TransferTest, KeepsToTheMemoryBudgetForWhatCannotBeReadInPlace) {
  const Container container = open(nullptr, {.memory_budget = kChunk});
  expect_all_read(container, 0);
  EXPECT_EQ(container.stats().peak_memory_bytes, kChunk);
  const Container small = open(nullptr, {.memory_budget = 4'096});
  std::vector<std::byte> out(kChunk - 1);
  EXPECT_THAT(read_tensor(small, id_of(small, "part.1.65536"), out),
              Fails(ErrorCode::kLimit, "bytes"));
}

TEST_F(TransferTest, RejectsWrongSizesAndUnknownTensorsAndLayers) {
  const Container container = open();
  use({});
  std::vector<std::byte> out(10);
  EXPECT_THAT(read_tensor(container, 0, out),
              Fails(ErrorCode::kInvalidArgument,
                    "tensor 'embed.weight' has 300000 bytes, its destination 10"));
  EXPECT_THAT(read_tensor(container, 10'000, out), Fails(ErrorCode::kNotFound, "'10000'"));
  const TensorDestination wrong{0, {4'096, 10}};
  EXPECT_THAT(copy_to_device(container, {&wrong, 1}, *ring_),
              Fails(ErrorCode::kInvalidArgument, "'embed.weight' has 300000 bytes"));
  EXPECT_THAT(load_layer(container, 10'000, *ring_), Fails(ErrorCode::kNotFound, "layer '10000'"));
  const TensorDestination elsewhere{0, {4'096, 300'000}};
  EXPECT_THAT(copy_to_device(container, {&elsewhere, 1}, *ring_),
              Fails(ErrorCode::kInvalidArgument, "not into its memory"));
  EXPECT_THAT(copy_to_device(container, {}, *ring_), IsOk());
}

TEST_F(TransferTest, RejectsDamagedBytesBeforeTheyAreHandedOver) {
  flip_byte(path_ + "/00000.wps", 4'096 + kChunk + 5);
  use({});
  for (const bool verify : {true, false}) {
    const Container container =
        open(nullptr, {.verify = verify ? VerifyPolicy::kTouch : VerifyPolicy::kIndex});
    std::vector<std::byte> out(300'000);
    const DeviceBuffer memory = device_->allocate(out.size()).value();
    const TensorDestination to{0, memory.range()};
    const Status read = read_tensor(container, 0, out);
    const Status copied = copy_to_device(container, {&to, 1}, *ring_);
    if (verify) {
      EXPECT_THAT(read,
                  Fails(ErrorCode::kIntegrity, "00000.wps: tensor 'embed.weight' is damaged"));
      EXPECT_THAT(copied, Fails(ErrorCode::kIntegrity, "tensor 'embed.weight' is damaged"));
    } else {
      EXPECT_THAT(read, IsOk());
      EXPECT_THAT(copied, IsOk());
      EXPECT_FALSE(out == expected(container.tensor_info(0)));
    }
    EXPECT_EQ(device_->under_way(), 0U);
  }
}

TEST_F(TransferTest, CopiesEveryTensorToADeviceThatIsLateAndOutOfOrder) {
  for (std::uint32_t seed = 1; seed <= 6; ++seed) {
    for (const std::uint64_t slots : {1, 2, 5}) {
      use({.seed = seed}, slots);
      const Container container = open(faulty({.hold_back = seed, .seed = seed}));
      const Room room = make_room(container);
      ASSERT_THAT(copy_to_device(container, room.tensors, *ring_), IsOk());
      expect_all_copied(container, room);
      EXPECT_EQ(device_->under_way(), 0U);
    }
  }
}

TEST_F(TransferTest, CopiesThroughEnginesThatAskForAlignment) {
  use({.seed = 3});
  const Container container = open(recording({.max_in_flight = 1,
                                              .offset_alignment = 4'096,
                                              .memory_alignment = 4'096,
                                              .size_alignment = 4'096}));
  const Room room = make_room(container);
  ASSERT_THAT(copy_to_device(container, room.tensors, *ring_), IsOk());
  expect_all_copied(container, room);
}

TEST_F(TransferTest, RejectsARingWhoseSlotsAreTooSmallAndNamesASizeThatWouldDo) {
  use({}, 4, 32'768);
  const Container container = open();
  EXPECT_THAT(load_layer(container, 0, *ring_),
              Fails(ErrorCode::kInvalidArgument,
                    "m.wpack: a staging slot of 32768 bytes cannot hold a chunk of 65536 bytes at "
                    "offset 4096: 65536 bytes would do"));
  EXPECT_EQ(device_->stats().in_use, 0U);
  use({}, 1, kChunk);
  EXPECT_THAT(load_layer(container, 0, *ring_), IsOk());
}

TEST_F(TransferTest, ReportsEveryReadThatFailsAndLeavesNothingUnderWay) {
  for (const bool cut_short : {false, true}) {
    bool clean = false;
    for (std::uint64_t n = 0; !clean; ++n) {
      ASSERT_LT(n, 200U) << "a pass without a fault comes at last";
      Faults faults{.hold_back = n % 3, .seed = static_cast<std::uint32_t>(n)};
      (cut_short ? faults.short_read_at : faults.io_error_at) = n;
      use({.seed = static_cast<std::uint32_t>(n)});
      const Container container = open(faulty(faults));
      const Room room = make_room(container);
      const Status status = copy_to_device(container, room.tensors, *ring_);
      EXPECT_EQ(device_->under_way(), 0U);
      clean = status.has_value();
      if (!clean) {
        EXPECT_THAT(status, Fails(ErrorCode::kIo, ".wps: "));
        ASSERT_THAT(copy_to_device(container, room.tensors, *ring_), IsOk());
      }
      expect_all_copied(container, room);
    }
  }
}

TEST_F(TransferTest, ReportsEveryReadIntoMemoryOfTheCallerThatFails) {
  bool clean = false;
  for (std::uint64_t n = 0; !clean; ++n) {
    ASSERT_LT(n, 50U) << "a pass without a fault comes at last";
    const Container container = open(faulty({.io_error_at = n}));
    const std::uint32_t id = id_of(container, "part.65535.196609");
    std::vector<std::byte> out(container.tensor_info(id).nbytes);
    const Status status = read_tensor(container, id, out);
    clean = status.has_value();
    if (!clean) {
      EXPECT_THAT(status, Fails(ErrorCode::kIo, "00000.wps: read of"));
      ASSERT_THAT(read_tensor(container, id, out), IsOk());
    }
    EXPECT_TRUE(out == expected(container.tensor_info(id)));
  }
}

TEST_F(TransferTest, ReportsEveryCopyThatFailsAndLeavesNothingUnderWay) {
  for (const bool refuse : {false, true}) {
    bool clean = false;
    for (std::uint64_t n = 0; !clean; ++n) {
      ASSERT_LT(n, 200U) << "a pass without a fault comes at last";
      SimulatedDeviceOptions options{.seed = static_cast<std::uint32_t>(n)};
      (refuse ? options.refuse_copy_at : options.fail_copy_at) = n;
      use(options);
      const Container container = open();
      const Room room = make_room(container);
      const Status status = copy_to_device(container, room.tensors, *ring_);
      EXPECT_EQ(device_->under_way(), 0U);
      clean = status.has_value();
      if (!clean) {
        EXPECT_THAT(status, Fails(ErrorCode::kIo, "to device simulated failed"));
        ASSERT_THAT(copy_to_device(container, room.tensors, *ring_), IsOk());
      }
      expect_all_copied(container, room);
    }
  }
}

TEST_F(TransferTest, LoadsLayersOntoADeviceWhereTiedTensorsShareTheirBytes) {
  use({.seed = 5});
  std::vector<DeviceLayer> layers;
  {
    const Container container = open();
    for (std::uint32_t id = 0; id < container.layer_count(); ++id) {
      ASSERT_OK_AND_ASSIGN(DeviceLayer layer, load_layer(container, id, *ring_));
      const Layer expected_layer = container.layer(id);
      const LayerInfo& info = expected_layer.info();
      EXPECT_EQ(layer.tensors().size(), info.tensor_end - info.tensor_begin);
      layers.push_back(std::move(layer));
    }
  }
  for (const DeviceLayer& layer : layers) {
    for (const DeviceTensor& tensor : layer.tensors()) {
      EXPECT_EQ(tensor.range.size, tensor.info.nbytes);
      EXPECT_TRUE(contents(tensor.range) == expected(tensor.info)) << tensor.info.name;
    }
  }
  const std::span<const DeviceTensor> tied = layers[2].tensors();
  EXPECT_EQ(tied[2].info.name, "layers.1.part");
  EXPECT_EQ(tied[2].range.address, tied[1].range.address + 512);
  EXPECT_GT(device_->stats().in_use, 0U);
  layers.clear();
  EXPECT_EQ(device_->stats().in_use, 0U);
}

TEST_F(TransferTest, RefusesALayerThatTheDeviceHasNoMemoryFor) {
  use({.budget = 4'096});
  EXPECT_THAT(load_layer(open(), 0, *ring_), Fails(ErrorCode::kLimit, "300032 bytes"));
}

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
  EXPECT_THAT(read_tensor(container, 0, out, options), Fails(ErrorCode::kDeadline, "deadline"));
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
