// Whole checkpoints: what the archive around the pickle may be, how bytes are read, and that no
// damage gets through.
#include "import/torch/torch_source.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>

#include "import/torch/checkpoint_file.h"
#include "refusals/tables.h"

namespace wpack::import {
namespace {

using testing::checkpoint_zip;
using testing::CheckpointFile;
using testing::CheckpointInMemory;
using testing::Fails;
using testing::IsOk;
using testing::PickleBuilder;
using testing::read_everything;
using testing::read_tensor;
using testing::small_zip;
using testing::ZipBuilder;

TEST(TorchSourceTest, ReturnsWhetherBytesLookLikeAZip) {
  const auto looks = [](std::string_view text) {
    return looks_like_zip(std::as_bytes(std::span(text)));
  };
  EXPECT_TRUE(looks("PK\x03\x04"));
  EXPECT_FALSE(looks("PK\x03"));
  EXPECT_FALSE(looks("PK\x05\x06"));
}

TEST(TorchSourceTest, ReadsASmallCheckpoint) {
  const CheckpointFile file(small_zip());
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  EXPECT_EQ(*read_tensor(*source, 0), "abcdefgh");
  EXPECT_EQ(*read_tensor(*source, 0, 1), "abcdefgh");
  EXPECT_THAT(source->finish({}), IsOk());
  EXPECT_EQ(source->description().order, SourceOrder::kUse);
  EXPECT_TRUE(source->description().attachments.empty());
}

TEST(TorchSourceTest, ReadsMembersInAnyOrderAndFolder) {
  ZipBuilder zip = small_zip();
  std::swap(zip.entries.front(), zip.entries.back());
  for (auto& entry : zip.entries) entry.name.replace(0, 7, "odd name");
  EXPECT_THAT(read_everything(CheckpointFile(zip)), IsOk());
}

TEST(TorchSourceTest, RejectsArchivesThatAreNoCheckpoint) {
  for (const refusals::BadArchive& bad : refusals::bad_checkpoint_archives()) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip = small_zip();
    bad.change(zip);
    const CheckpointFile file(zip);
    const auto source = file.open();
    EXPECT_THAT(source, Fails(bad.code, bad.part));
    if (!source) {
      EXPECT_TRUE(source.error().message().starts_with(file.path() + ": "));
    }
  }
}

TEST(TorchSourceTest, ReadsEveryVersion) {
  for (const char* version : {"1", "2\n", "3\n", "10"}) {
    ZipBuilder zip = small_zip();
    zip.entry("archive/version").data = version;
    EXPECT_THAT(CheckpointFile(zip).open(), IsOk()) << version;
    zip.entry("archive/version").name = "archive/.data/version";
    EXPECT_THAT(CheckpointFile(zip).open(), IsOk()) << version;
  }
}

TEST(TorchSourceTest, RejectsADataPickleThatIsTooLarge) {
  ZipBuilder zip = small_zip();
  zip.entries[0].data.resize((std::size_t{64} << 20) + 1);
  EXPECT_THAT(CheckpointFile(zip).open(), Fails(ErrorCode::kLimit, "larger than is read"));
}

TEST(TorchSourceTest, RejectsDamageOfATensor) {
  ZipBuilder zip = small_zip();
  zip.entry("archive/data/0").crc = 7;
  const CheckpointFile file(zip);
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  EXPECT_THAT(read_tensor(*source, 0), Fails(ErrorCode::kIntegrity, "member 'data/0'"));
}

TEST(TorchSourceTest, RejectsDamageOfAMemberThatNoTensorUses) {
  ZipBuilder zip = small_zip();
  zip.add("archive/other", "bytes").descriptor = true;
  zip.entries.back().crc = 7;
  EXPECT_THAT(read_everything(CheckpointFile(zip)), Fails(ErrorCode::kIntegrity, "member 'other'"));
}

TEST(TorchSourceTest, RejectsAFileThatChangedWhileItWasRead) {
  const CheckpointFile file(small_zip());
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  EXPECT_THAT(read_tensor(*source, 0), IsOk());
  std::filesystem::resize_file(file.path(), 10'000);
  EXPECT_THAT(source->finish({}), Fails(ErrorCode::kIo, "changed while it was read"));
}

TEST(TorchSourceTest, RejectsAFileThatWasCutWhileItWasRead) {
  const CheckpointFile file(small_zip());
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  std::filesystem::resize_file(file.path(), 10);
  EXPECT_THAT(read_tensor(*source, 0), Fails(ErrorCode::kIo, "bytes too soon"));
}

TEST(TorchSourceTest, ReadsBigEndianTensorsInAnyPiece) {
  PickleBuilder builder;
  builder.empty_dict().string("x").tensor("0", 3, {3}, {1}, 0, "IntStorage").set_item();
  builder.string("t").tensor("0", 3, {2, 1}, {2, 1}, 0, "IntStorage").set_item();
  builder.string("b").tensor_v3("0", 12, "uint16", {3}, {1}, 1).set_item();
  ZipBuilder zip = checkpoint_zip(builder.stop(), {"abcdefghijkl"});
  zip.add("archive/byteorder", "big");
  const CheckpointFile file(zip);
  for (std::size_t piece = 1; piece <= 13; ++piece) {
    ASSERT_OK_AND_ASSIGN(const auto source, file.open());
    EXPECT_EQ(*read_tensor(*source, 0, piece), "dcbahgfelkji");
    EXPECT_EQ(*read_tensor(*source, 1, piece), "dcbalkji");
    EXPECT_EQ(*read_tensor(*source, 2, piece), "dcfehg");
    EXPECT_THAT(source->finish({}), IsOk());
  }
}

TEST(TorchSourceTest, ReportsSharingOnlyAmongEqualConversions) {
  PickleBuilder builder;
  builder.empty_dict().string("i").tensor("0", 2, {2}, {1}, 0, "IntStorage").set_item();
  builder.string("f").tensor_v3("0", 8, "float32", {2}, {1}).set_item();
  builder.string("s").tensor_v3("0", 8, "uint16", {4}, {1}).set_item();
  ZipBuilder zip = checkpoint_zip(builder.stop(), {"abcdefgh"});
  zip.add("archive/byteorder", "big");
  const CheckpointFile file(zip);
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  const auto& tensors = source->description().tensors;
  EXPECT_EQ(tensors[0].storage->id, tensors[1].storage->id);
  EXPECT_NE(tensors[0].storage->id, tensors[2].storage->id);
}

TEST(TorchSourceTest, ReadsAStridedViewLargerThanABlock) {
  // 3 x 2,500,000 int32, transposed: 30 MB, gathered in two blocks.
  constexpr std::int64_t kRows = 3;
  constexpr std::int64_t kColumns = 2'500'000;
  std::string storage(kRows * kColumns * 4, '\0');
  for (std::size_t i = 0; i < storage.size() / 4; ++i) {
    const auto value = static_cast<std::uint32_t>(i);
    std::memcpy(&storage[4 * i], &value, 4);
  }
  PickleBuilder builder;
  builder.empty_dict().string("x").tensor("0", kRows * kColumns, {kColumns, kRows}, {1, kColumns},
                                          0, "IntStorage");
  const CheckpointFile file(checkpoint_zip(builder.set_item().stop(), {storage}));
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  ASSERT_OK_AND_ASSIGN(const std::string bytes, read_tensor(*source, 0, 1 << 20));
  for (std::size_t i = 0; i < bytes.size() / 4; ++i) {
    std::uint32_t value = 0;
    std::memcpy(&value, &bytes[4 * i], 4);
    ASSERT_EQ(value, i % kRows * kColumns + i / kRows);
  }
  // Out of order: the end, then the start.
  std::array<std::byte, 4> element{};
  ASSERT_THAT(source->read(0, bytes.size() - 4, element), IsOk());
  EXPECT_EQ(std::memcmp(element.data(), &bytes[bytes.size() - 4], 4), 0);
  ASSERT_THAT(source->read(0, 8, element), IsOk());
  EXPECT_EQ(std::memcmp(element.data(), &bytes[8], 4), 0);
  EXPECT_THAT(source->finish({}), IsOk());
}

TEST(TorchSourceTest, RejectsEveryDamagedByteOfMetadataAndPayload) {
  const std::string whole = small_zip().build();
  const std::size_t pickle = whole.find(testing::small_pickle());
  const std::size_t payload = whole.find("abcdefgh");
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < testing::small_pickle().size(); ++i) places.push_back(pickle + i);
  for (std::size_t i = 0; i < 8; ++i) places.push_back(payload + i);
  for (const std::size_t at : places) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x01);
    EXPECT_THAT(read_everything(CheckpointInMemory(damaged)),
                Fails(ErrorCode::kIntegrity, "CRC-32"));
  }
}

TEST(TorchSourceTest, SurvivesDamagedPicklesWithMatchingChecksums) {
  PickleBuilder builder(4);
  builder.empty_dict().byte(0x94).string("x").tensor("0", 2, {2}, {1}).set_item();
  builder.string("n").empty_list().mark().none().integer(1).string("s").appends().set_item();
  builder.string("o").global("m", "C").empty_tuple().new_object().string("s").build().set_item();
  const std::string pickle = builder.stop();
  EXPECT_THAT(read_everything(CheckpointInMemory(checkpoint_zip(pickle, {"abcdefgh"}).build())),
              IsOk());
  for (std::size_t at = 0; at < pickle.size(); ++at) {
    for (int value = 0; value < 256; value += 5) {
      std::string damaged = pickle;
      damaged[at] = static_cast<char>(value);
      const ZipBuilder zip = checkpoint_zip(damaged, {"abcdefgh"});
      const Status status = read_everything(CheckpointInMemory(zip.build()));
      if (!status) {
        EXPECT_EQ(status.error().message().find('\n'), std::string::npos);
      }
    }
  }
}

TEST(TorchSourceTest, ReadsManyTensorsQuickly) {
  constexpr int kTensors = 20'000;
  PickleBuilder builder;
  builder.empty_dict().mark();
  std::vector<std::string> storages;
  for (int i = 0; i < kTensors; ++i) {
    builder.string("layers." + std::to_string(i) + ".weight");
    builder.tensor(std::to_string(i), 2, {1, 2}, {2, 1});
    storages.emplace_back("abcdefgh");
  }
  const CheckpointFile file(checkpoint_zip(builder.set_items().stop(), storages));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  const auto taken = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(source->description().tensors.size(), static_cast<std::size_t>(kTensors));
  EXPECT_LT(taken, std::chrono::seconds(20));  // quadratic time would take minutes
}

}  // namespace
}  // namespace wpack::import
