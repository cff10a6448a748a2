// Loading into memory of the caller and of devices: every byte in its place, or an error and
// nothing under way.
#include "wpack/transfer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "load/transfer_fixture.h"

namespace wpack::testing {
namespace {

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

}  // namespace
}  // namespace wpack::testing
