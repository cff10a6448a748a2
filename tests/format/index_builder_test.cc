#include "format/index_builder.h"

#include <gtest/gtest.h>

#include "format/index.h"
#include "support/result_matchers.h"
#include "support/sample_index.h"

namespace wpack::format {
namespace {

using testing::Fails;
using testing::sample_contents;

TEST(IndexBuilderTest, WritesWhatTheReaderReads) {
  ASSERT_OK_AND_ASSIGN(const auto bytes, build_index(sample_contents()));
  ASSERT_OK_AND_ASSIGN(const Index index, Index::parse(bytes, nullptr));
  EXPECT_EQ(index.producer(), "test");
  EXPECT_EQ(index.source_format(), "memory");
  ASSERT_EQ(index.tensors().size(), 6U);
  const TensorRow head = index.tensors()[*index.find_tensor("head.row")];
  EXPECT_EQ(head.byte_offset, 400U);
  EXPECT_EQ(head.alias_of, 0U);
  EXPECT_EQ(index.name_of(head), "head.row");
  const Shape shape = index.shape_of(index.tensors()[0]);
  EXPECT_EQ(std::vector<std::uint64_t>(shape.begin(), shape.end()),
            (std::vector<std::uint64_t>{250, 100}));
  EXPECT_EQ(index.find_layer("h.0"), 1U);
  EXPECT_EQ(index.find_layer("h.1"), std::nullopt);
  EXPECT_EQ(index.name_of(index.attachments()[0]), "config.json");
  EXPECT_EQ(index.key_of(index.metadata()[0]), "format");
  EXPECT_EQ(index.value_of(index.metadata()[0]), "pt");
  EXPECT_EQ(index.name_of(index.sources()[0]), "model.mem");
}

TEST(IndexBuilderTest, ReturnsEmptyRowsPastTheEnd) {
  ASSERT_OK_AND_ASSIGN(const auto bytes, build_index(sample_contents()));
  ASSERT_OK_AND_ASSIGN(const Index index, Index::parse(bytes, nullptr));
  EXPECT_EQ(index.tensors()[6].nbytes, 0U);
  TensorRow wild = index.tensors()[0];
  wild.name_offset = kNone;
  wild.dims_first = kNone;
  EXPECT_EQ(index.name_of(wild), "");
  EXPECT_TRUE(index.shape_of(wild).empty());
}

TEST(IndexBuilderTest, GivesTheSameBytesEveryTime) {
  EXPECT_EQ(*build_index(sample_contents()), *build_index(sample_contents()));
}

TEST(IndexBuilderTest, RejectsNamesThatAreThereTwice) {
  IndexContents contents = sample_contents();
  contents.tensors[1].name = "embed.weight";
  EXPECT_THAT(build_index(contents), Fails(ErrorCode::kBadInput, "two tensors are called"));
  contents = sample_contents();
  contents.layers[1].name = "embed";
  EXPECT_THAT(build_index(contents), Fails(ErrorCode::kBadInput, "two layers are called 'embed'"));
}

TEST(IndexBuilderTest, RejectsMoreMetadataThanTheFormatHolds) {
  IndexContents contents = sample_contents();
  contents.metadata[0].value = std::string(kMaxMetadataText, 'x');
  EXPECT_THAT(build_index(contents), Fails(ErrorCode::kLimit, "bytes of metadata"));
}

TEST(UuidTest, DependsOnEverythingButTheEnvelopeHashes) {
  IndexContents contents = sample_contents();
  ASSERT_OK_AND_ASSIGN(auto bytes, build_index(contents));
  const Uuid uuid = uuid_of_index(bytes);
  const std::vector<std::uint64_t> hashes = {11, 22};
  set_envelope_hashes(bytes, hashes);
  EXPECT_EQ(uuid_of_index(bytes), uuid);
  ASSERT_OK_AND_ASSIGN(const Index index, Index::parse(bytes, nullptr));
  EXPECT_EQ(index.shards()[1].envelope_hash, 22U);
  contents.chunks[0].hash ^= 1;
  EXPECT_NE(uuid_of_index(*build_index(contents)), uuid);
}

}  // namespace
}  // namespace wpack::format
