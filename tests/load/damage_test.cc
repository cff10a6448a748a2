// What a reader does with containers that are not what their index says.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;

class DamageTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  [[nodiscard]] Result<Container> open(VerifyPolicy verify = VerifyPolicy::kTouch) const {
    return open_with(path_, {.verify = verify, .access = GetParam()});
  }
  // The place of a tensor's byte in its shard file.
  void flip(const std::string& tensor, std::uint64_t at) const {
    auto container = open_with(path_, {});
    const TensorInfo info = container->find(tensor).value();
    flip_byte(path_ + "/" + container->shards()[info.shard].name, info.offset + at);
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
  fs::path shard0_ = fs::path(path_) / "00000.wps";
  fs::path shard1_ = fs::path(path_) / "00001.wps";
};

INSTANTIATE_TEST_SUITE_P(Access, DamageTest, kAccessModes, access_name);

TEST_P(DamageTest, RejectsDamagedPayloadUnderTouchEveryTime) {
  flip("embed.weight", 131'072 + 5);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(container.tensor("embed.weight"),
                Fails(ErrorCode::kIntegrity,
                      "m.wpack/00000.wps: tensor 'embed.weight' is damaged: the checksum of the "
                      "65536 bytes at offset 135168"));
    EXPECT_THAT(container.layer(0).acquire(), Fails(ErrorCode::kIntegrity, "'embed.weight'"));
    EXPECT_THAT(container.layer("head").value().acquire(),
                Fails(ErrorCode::kIntegrity, "offset 135168"));
  }
  ASSERT_OK_AND_ASSIGN(const Tensor sound, container.tensor("layers.0.up"));
  EXPECT_TRUE(holds(sound, builder_.oracle().at("layers.0.up")));
}

TEST_P(DamageTest, RejectsDamagedPayloadAfterAPrefetchFoundIt) {
  flip("layers.0.bias", 0);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  const Layer layer = container.layer(1);
  EXPECT_THAT(layer.prefetch(), IsOk());
  EXPECT_THAT(layer.acquire(), Fails(ErrorCode::kIntegrity, "'layers.0.bias'"));
  EXPECT_THAT(layer.acquire(), Fails(ErrorCode::kIntegrity, "'layers.0.bias'"));
}

TEST_P(DamageTest, RejectsDamagedPayloadAtOpenUnderFull) {
  flip("layers.1.up", 65'535);
  EXPECT_THAT(open(VerifyPolicy::kFull),
              Fails(ErrorCode::kIntegrity, "00001.wps: tensor 'layers.1.up' is damaged"));
}

TEST_P(DamageTest, ChecksWhatItReadsAndNotWhatItMapsByDefault) {
  flip("layers.1.up", 0);
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {.access = GetParam()}));
  if (GetParam() == AccessMode::kRead) {
    EXPECT_THAT(container.tensor("layers.1.up"), Fails(ErrorCode::kIntegrity, "'layers.1.up'"));
  } else {
    EXPECT_THAT(container.tensor("layers.1.up"), IsOk());
    EXPECT_EQ(container.stats().verified_bytes, 0U);
  }
}

TEST_P(DamageTest, ReadsDamagedPayloadUnderIndex) {
  flip("layers.1.up", 0);
  ASSERT_OK_AND_ASSIGN(const Container container, open(VerifyPolicy::kIndex));
  EXPECT_THAT(container.layer(2).acquire(), IsOk());
  EXPECT_EQ(container.stats().verified_bytes, 0U);
}

TEST_P(DamageTest, RejectsDamagedAttachmentsUnderEveryPolicy) {
  const std::uint64_t size = fs::file_size(shard1_);
  flip_byte(shard1_, size - 4096 - 100);
  ASSERT_OK_AND_ASSIGN(const Container container, open(VerifyPolicy::kIndex));
  EXPECT_THAT(container.attachment("config.json"),
              Fails(ErrorCode::kIntegrity, "attachment 'config.json' is damaged"));
  std::vector<std::byte> piece(1);
  EXPECT_THAT(container.read_attachment("config.json", 65'536, piece),
              Fails(ErrorCode::kIntegrity, "attachment 'config.json' is damaged"));
}

TEST_P(DamageTest, ChecksMappedChunksOnlyOnce) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(container.tensor("layers.0.up"), IsOk());
    ASSERT_THAT(container.layer(1).acquire(), IsOk());
  }
  const std::uint64_t layer = 768 + 200'001 + 1;
  // Reading again after everything was let go means checking again; a mapping is checked once.
  const std::uint64_t read = GetParam() == AccessMode::kRead ? 3 * 200'001 : 0;
  EXPECT_GE(container.stats().verified_bytes, layer);
  EXPECT_LE(container.stats().verified_bytes, layer + read + 66'304);  // and the next layer
}

TEST_P(DamageTest, RejectsADamagedEnvelopeAtFirstUse) {
  flip_byte(shard0_, 2000);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_THAT(container.tensor("embed.weight"),
                Fails(ErrorCode::kIntegrity, "m.wpack/00000.wps: envelope is damaged"));
  }
  EXPECT_THAT(container.layer(0).prefetch(), Fails(ErrorCode::kIntegrity, "envelope is damaged"));
  EXPECT_THAT(container.layer(0).acquire(), Fails(ErrorCode::kIntegrity, "envelope is damaged"));
  EXPECT_THAT(container.tensor("layers.1.up"), IsOk());
}

TEST_P(DamageTest, RejectsSwappedShards) {
  fs::rename(shard0_, shard0_.string() + "x");
  fs::rename(shard1_, shard0_);
  fs::rename(shard0_.string() + "x", shard1_);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  EXPECT_THAT(container.tensor("embed.weight"),
              Fails(ErrorCode::kIntegrity, "00000.wps: is shard 1 of 2, expected shard 0 of 2"));
}

TEST_P(DamageTest, RejectsAShardOfAnotherContainer) {
  ContainerBuilder other = sample_builder();
  other.row_of("embed.weight").hash ^= 1;
  fs::copy_file(other.build(directory_.path() / "other.wpack") + "/00000.wps", shard0_,
                fs::copy_options::overwrite_existing);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  EXPECT_THAT(container.tensor("embed.weight"),
              Fails(ErrorCode::kIntegrity, "00000.wps: belongs to container"));
}

TEST_P(DamageTest, RejectsTruncatedAndExtendedShards) {
  const std::uint64_t size = fs::file_size(shard1_);
  for (const std::uint64_t wrong : {size - 1, size - 4096, size + 1, std::uint64_t{100}}) {
    fs::resize_file(shard1_, wrong);
    ASSERT_OK_AND_ASSIGN(const Container container, open());
    EXPECT_THAT(container.tensor("layers.1.up"),
                Fails(ErrorCode::kIntegrity, "00001.wps: is " + std::to_string(wrong) + " bytes"));
  }
}

TEST_P(DamageTest, RejectsAnEmptyShard) {
  fs::resize_file(shard1_, 0);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  EXPECT_THAT(container.tensor("layers.1.up"),
              Fails(ErrorCode::kIntegrity, "00001.wps: is 0 bytes long, the index says 147456"));
}

TEST_P(DamageTest, RejectsAMissingShardAtOpen) {
  fs::remove(shard1_);
  EXPECT_THAT(open(), Fails(ErrorCode::kIo, "m.wpack/00001.wps: open failed"));
}

TEST_P(DamageTest, RejectsLinksAndSpecialFilesInPlaceOfAShard) {
  fs::rename(shard1_, directory_.path() / "elsewhere");
  fs::create_symlink(directory_.path() / "elsewhere", shard1_);
  EXPECT_THAT(open(), Fails(ErrorCode::kIo, "m.wpack/00001.wps: is a symbolic link"));
  fs::remove(shard1_);
  ASSERT_EQ(::mkfifo(shard1_.c_str(), 0600), 0);
  EXPECT_THAT(open(), Fails(ErrorCode::kBadInput, "m.wpack/00001.wps: is a FIFO"));
  fs::remove(shard1_);
  fs::create_directory(shard1_);
  EXPECT_THAT(open(), Fails(ErrorCode::kBadInput, "m.wpack/00001.wps: is a directory"));
}

TEST_P(DamageTest, RejectsAnIndexInPlaceOfAShardAndTheReverse) {
  fs::copy_file(path_ + "/index.wpi", shard0_, fs::copy_options::overwrite_existing);
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  EXPECT_THAT(container.tensor("embed.weight"),
              Fails(ErrorCode::kIntegrity, "00000.wps: is an index, expected a shard"));
  fs::copy_file(shard1_, path_ + "/index.wpi", fs::copy_options::overwrite_existing);
  EXPECT_THAT(open(), Fails(ErrorCode::kBadInput, "index.wpi: is a shard, expected an index"));
}

TEST_P(DamageTest, RejectsADamagedIndex) {
  flip_byte(path_ + "/index.wpi", 4096 + 300);
  EXPECT_THAT(open(), Fails(ErrorCode::kIntegrity, "m.wpack/index.wpi: index is damaged"));
}

TEST_P(DamageTest, RejectsPathsThatAreNoContainer) {
  const auto open_path = [](const std::string& path) { return open_with(path, {}); };
  EXPECT_THAT(open_path("/nonexistent"), Fails(ErrorCode::kIo, "/nonexistent: open directory"));
  EXPECT_THAT(open_path(shard0_.string()),
              Fails(ErrorCode::kBadInput, "is a file, expected a container directory"));
  EXPECT_THAT(open_path(directory_.path().string()),
              Fails(ErrorCode::kIo, "index.wpi: open failed"));
  fs::rename(path_ + "/index.wpi", path_ + "/index");
  fs::create_symlink("index", path_ + "/index.wpi");
  EXPECT_THAT(open_path(path_), Fails(ErrorCode::kIo, "index.wpi: is a symbolic link"));
}

TEST_P(DamageTest, ListsButDoesNotMaterialiseUnknownTypes) {
  ContainerBuilder builder = sample_builder();
  builder.row_of("layers.0.norm").dtype = 999;
  const std::string path = builder.build(directory_.path() / "new.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {.access = GetParam()}));
  EXPECT_EQ(static_cast<int>(container.find("layers.0.norm")->dtype), 999);
  EXPECT_THAT(container.tensor("layers.0.norm"),
              Fails(ErrorCode::kBadInput, "tensor 'layers.0.norm' has element type 999"));
  EXPECT_THAT(container.layer(1).acquire(), Fails(ErrorCode::kBadInput, "element type 999"));
  EXPECT_THAT(container.tensor("layers.0.up"), IsOk());
}

TEST_P(DamageTest, ListsButDoesNotMaterialiseUnknownCodecs) {
  ContainerBuilder builder = sample_builder();
  builder.contents().extents[2].codec = 77;
  const std::string path = builder.build(directory_.path() / "new.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {.access = GetParam()}));
  EXPECT_EQ(static_cast<int>(container.find("layers.0.up")->codec), 77);
  EXPECT_THAT(container.tensor("layers.0.up"),
              Fails(ErrorCode::kBadInput, "tensor 'layers.0.up' has codec 77"));
  EXPECT_THAT(container.layer(1).acquire(), Fails(ErrorCode::kBadInput, "codec 77"));
  EXPECT_THAT(container.layer(0).acquire(), IsOk());
  EXPECT_THAT(container.layer(2).acquire(), IsOk());
}

}  // namespace
}  // namespace wpack::testing
