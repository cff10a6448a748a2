#include "wpack/container.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

class ContainerTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  [[nodiscard]] Result<Container> open(std::optional<VerifyPolicy> verify = std::nullopt) const {
    return open_with(path_, {.verify = verify, .access = GetParam()});
  }
  [[nodiscard]] static bool mapped() { return GetParam() != AccessMode::kRead; }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
};

INSTANTIATE_TEST_SUITE_P(Access, ContainerTest, kAccessModes, access_name);

TEST_P(ContainerTest, ReadsEveryTensorUnderEveryPolicy) {
  for (const auto policy : {VerifyPolicy::kIndex, VerifyPolicy::kTouch, VerifyPolicy::kFull}) {
    ASSERT_OK_AND_ASSIGN(const Container container, open(policy));
    expect_oracle(container, builder_);
  }
}

TEST_P(ContainerTest, SharesTheBytesOfTiedTensors) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  ASSERT_OK_AND_ASSIGN(const Tensor embed, container.tensor("embed.weight"));
  ASSERT_OK_AND_ASSIGN(const Tensor head, container.tensor("head.weight"));
  EXPECT_EQ(embed.bytes().data(), head.bytes().data());
  EXPECT_EQ(head.info().alias_of, embed.info().id);
  ASSERT_OK_AND_ASSIGN(const Tensor up, container.tensor("layers.1.up"));
  ASSERT_OK_AND_ASSIGN(const Tensor part, container.tensor("layers.1.part"));
  EXPECT_EQ(part.bytes().data(), up.bytes().data() + 512);
}

TEST_P(ContainerTest, SharesBytesBetweenTensorsAndLayers) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  ASSERT_OK_AND_ASSIGN(const Tensor up, container.tensor("layers.0.up"));
  ASSERT_OK_AND_ASSIGN(const LayerView view, container.layer(1).acquire());
  EXPECT_EQ(view.tensors()[1].bytes().data(), up.bytes().data());
  ASSERT_OK_AND_ASSIGN(const Tensor norm, container.tensor("layers.0.norm"));
  EXPECT_EQ(view.tensors()[0].bytes().data(), norm.bytes().data());
  ASSERT_OK_AND_ASSIGN(const LayerView head, container.layer(3).acquire());
  ASSERT_OK_AND_ASSIGN(const LayerView embed, container.layer(0).acquire());
  EXPECT_EQ(head.tensors()[0].bytes().data(), embed.tensors()[0].bytes().data());
}

TEST_P(ContainerTest, SaysWhetherBytesAreMapped) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor("layers.0.up"));
  EXPECT_EQ(tensor.mapped(), mapped());
  EXPECT_EQ(container.stats().mapped_bytes > 0, mapped());
  EXPECT_EQ(container.stats().read_bytes > 0, !mapped());
  EXPECT_EQ(container.stats().mapping_refused, "");
}

TEST_P(ContainerTest, ChecksEveryPayloadByteAtOpenUnderFull) {
  ASSERT_OK_AND_ASSIGN(const Container container, open(VerifyPolicy::kFull));
  EXPECT_EQ(container.stats().verified_bytes, container.info().payload_bytes);
  ASSERT_THAT(container.layer(1).acquire(), IsOk());
  if (mapped()) {
    EXPECT_EQ(container.stats().verified_bytes, container.info().payload_bytes);
  }
}

TEST_P(ContainerTest, AlignsTensorsTo256Bytes) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  for (const char* name : {"embed.weight", "layers.0.norm", "layers.0.up", "layers.0.bias"}) {
    ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor(name));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes().data()) % 256, 0U);
  }
}

TEST_P(ContainerTest, ReturnsEmptyTensorsWithoutTouchingAShard) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  std::filesystem::remove(path_ + "/00000.wps");
  ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor("layers.0.empty"));
  EXPECT_TRUE(tensor.bytes().empty());
  EXPECT_EQ(tensor.info().shard, TensorInfo::kNone);
  EXPECT_EQ(container.stats().mapped_bytes, 0U);
}

TEST_P(ContainerTest, KeepsReadingAfterTheDirectoryIsGone) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  std::filesystem::remove_all(path_);
  expect_oracle(container, builder_);
}

TEST_P(ContainerTest, KeepsBytesWhenEverythingElseIsGone) {
  std::vector<Tensor> tensors;
  std::optional<LayerView> view;
  {
    ASSERT_OK_AND_ASSIGN(const Container container, open());
    ASSERT_OK_AND_ASSIGN(Tensor up, container.tensor("layers.0.up"));
    tensors.push_back(std::move(up));
    ASSERT_OK_AND_ASSIGN(view, container.layer(2).acquire());
  }
  tensors.insert(tensors.end(), view->tensors().begin(), view->tensors().end());
  view.reset();
  for (const Tensor& tensor : tensors)
    EXPECT_TRUE(holds(tensor, builder_.oracle().at(std::string(tensor.name()))));
}

TEST_P(ContainerTest, ReturnsAttachmentsVerified) {
  ASSERT_OK_AND_ASSIGN(const Container container, open(VerifyPolicy::kIndex));
  const std::vector<AttachmentInfo> attachments = container.attachments();
  ASSERT_EQ(attachments.size(), 2U);
  EXPECT_EQ(attachments[0].name, "config.json");
  EXPECT_EQ(attachments[0].size, 70'000U);
  EXPECT_EQ(attachments[1].name, "empty.txt");
  EXPECT_EQ(attachments[1].size, 0U);
  EXPECT_EQ(container.attachment("config.json").value(), pattern_bytes(70'000, 7));
  EXPECT_EQ(container.attachment("empty.txt").value(), std::vector<std::byte>());
  EXPECT_THAT(container.attachment("nothing"), Fails(ErrorCode::kNotFound, "'nothing'"));
}

TEST_P(ContainerTest, ReadsPiecesOfAttachmentsVerified) {
  ASSERT_OK_AND_ASSIGN(const Container container, open(VerifyPolicy::kIndex));
  const std::vector<std::byte> all = pattern_bytes(70'000, 7);  // two chunks
  for (const auto& [offset, size] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 70'000},
                                                            {0, 1},
                                                            {65'535, 2},
                                                            {65'536, 4'464},
                                                            {1, 69'999},
                                                            {69'999, 1},
                                                            {70'000, 0}}) {
    std::vector<std::byte> piece(size);
    ASSERT_THAT(container.read_attachment("config.json", offset, piece), IsOk());
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(offset);
    EXPECT_EQ(piece, std::vector(begin, begin + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST_P(ContainerTest, RejectsPiecesOutsideOfAttachments) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  std::vector<std::byte> piece(2);
  EXPECT_THAT(container.read_attachment("config.json", 69'999, piece),
              Fails(ErrorCode::kInvalidArgument,
                    "attachment 'config.json' has 70000 bytes, not 2 from 69999 on"));
  EXPECT_THAT(container.read_attachment("config.json", ~std::uint64_t{0}, piece),
              Fails(ErrorCode::kInvalidArgument, "config.json"));
  EXPECT_THAT(container.read_attachment("empty.txt", 0, piece),
              Fails(ErrorCode::kInvalidArgument, "has 0 bytes"));
  EXPECT_THAT(container.read_attachment("nothing", 0, piece),
              Fails(ErrorCode::kNotFound, "'nothing'"));
}

TEST_P(ContainerTest, RejectsNamesThatItDoesNotHave) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  EXPECT_FALSE(container.find("embed"));
  EXPECT_THAT(container.tensor("embed\n"),
              Fails(ErrorCode::kNotFound, "m.wpack: has no tensor 'embed\\x0a'"));
  EXPECT_THAT(container.tensor(99), Fails(ErrorCode::kNotFound, "has no tensor '99'"));
  EXPECT_THAT(container.layer("layers.2"), Fails(ErrorCode::kNotFound, "has no layer 'layers.2'"));
}

TEST_P(ContainerTest, DescribesWhatItHolds) {
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  const ContainerInfo info = container.info();
  EXPECT_EQ(info.path, path_);
  EXPECT_EQ(info.producer, "test");
  EXPECT_EQ(info.tensor_count, 9U);
  EXPECT_EQ(info.layer_count, 4U);
  EXPECT_EQ(info.alias_count, 2U);
  EXPECT_EQ(info.extent_count, 7U);
  EXPECT_EQ(info.payload_bytes, 300'000U + 768 + 200'001 + 1 + 768 + 65'536 + 70'000);
  std::uint64_t file_bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    file_bytes += entry.file_size();
  EXPECT_EQ(info.file_bytes, file_bytes);
  ASSERT_EQ(container.shards().size(), 2U);
  EXPECT_EQ(container.shards()[1].name, "00001.wps");

  ASSERT_OK_AND_ASSIGN(const Layer head_layer, container.layer("head"));
  const LayerInfo& head = head_layer.info();
  EXPECT_EQ(head.foreign_extent_count, 1U);
  EXPECT_EQ(head.range.size(), 0U);
  EXPECT_EQ(head.nbytes, 300'000U);
  const TensorInfo part = container.find("layers.1.part").value();
  EXPECT_EQ(part.shard, 1U);
  EXPECT_EQ(part.offset, container.find("layers.1.up")->offset + 512);
  EXPECT_EQ(part.layer, 2U);
}

TEST(ContainerMetadataTest, ReturnsMetadataAndSources) {
  const TempDir directory;
  ContainerBuilder builder = sample_builder();
  builder.contents().metadata.push_back({"epoch", "7", {.type = 2, .origin = 2}});
  builder.contents().sources.push_back({"m.pth", {.size = 5, .digest_high = 6, .digest_low = 7}});
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(builder.build(directory.path() / "m.wpack"), {}));
  ASSERT_EQ(container.metadata().size(), 1U);
  EXPECT_EQ(container.metadata()[0],
            (MetadataEntry{"epoch", "7", MetadataType::kInteger, MetadataOrigin::kCheckpoint}));
  ASSERT_EQ(container.sources().size(), 1U);
  EXPECT_EQ(container.sources()[0].name, "m.pth");
  EXPECT_EQ(container.sources()[0].digest_low, 7U);
}

TEST(ContainerOptionsTest, RejectsIndexesThatAreLargerThanAllowed) {
  const TempDir directory;
  const std::string path = sample_builder().build(directory.path() / "m.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {}));
  const std::uint64_t size = container.info().index_bytes;
  EXPECT_THAT(open_with(path, {.max_index_bytes = size}), IsOk());
  EXPECT_THAT(open_with(path, {.max_index_bytes = size - 1}),
              Fails(ErrorCode::kLimit, "m.wpack/index.wpi: index of"));
  EXPECT_THAT(open_with(path, {.max_index_bytes = 1}), Fails(ErrorCode::kLimit, "larger than"));
  EXPECT_THAT(open_with(path, {.max_index_bytes = std::uint64_t{1} << 31}),
              Fails(ErrorCode::kInvalidArgument, "max_index_bytes"));
}

TEST(ContainerMemoryTest, TellsWhereHugePagesWereAskedFor) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("a.w", pattern_bytes(std::size_t{3} << 20, 1));
  builder.layer("b").tensor("b.w", pattern_bytes(1 << 20, 2));
  const std::string path = builder.build(directory.path() / "m.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {.access = AccessMode::kRead}));
  ASSERT_OK_AND_ASSIGN(const Tensor small, container.tensor("b.w"));
  EXPECT_EQ(container.stats().huge_asked_bytes, 0U);
  {
    ASSERT_OK_AND_ASSIGN(const Tensor large, container.tensor("a.w"));
    EXPECT_GE(container.stats().huge_asked_bytes, large.bytes().size());
    EXPECT_EQ(container.stats().huge_tlb_bytes, 0U) << "nobody asked for these";
  }
  EXPECT_EQ(container.stats().huge_asked_bytes, 0U);
}

}  // namespace
}  // namespace wpack::testing
