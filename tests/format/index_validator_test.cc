// Every rule of an index, broken in one place at a time.
#include "format/index_validator.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "format/index_builder.h"
#include "support/flat_index.h"
#include "support/result_matchers.h"
#include "support/sample_index.h"

namespace wpack::format {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::sample_contents;

Status parse(const IndexContents& contents) {
  WPACK_ASSIGN(const std::vector<std::byte> bytes, build_index(contents));
  WPACK_ASSIGN([[maybe_unused]] const Index index, Index::parse(bytes, nullptr));
  return {};
}

struct Break {
  const char* name;
  std::function<void(IndexContents&)> apply;
  const char* message;
  ErrorCode code = ErrorCode::kBadInput;
};

void PrintTo(const Break& broken, std::ostream* out) { *out << broken.name; }

class IndexValidatorTest : public ::testing::TestWithParam<Break> {};

TEST(IndexValidatorSampleTest, AcceptsTheSample) { EXPECT_THAT(parse(sample_contents()), IsOk()); }

TEST_P(IndexValidatorTest, RejectsABrokenRule) {
  IndexContents contents = sample_contents();
  GetParam().apply(contents);
  EXPECT_THAT(parse(contents), Fails(GetParam().code, GetParam().message));
}

const Break kShardBreaks[] = {
    {"ShardBeginsElsewhere", [](auto& c) { c.shards[0].data_begin = 8192; }, "shard 0 has"},
    {"ShardEndsBeforeItBegins", [](auto& c) { c.shards[0].data_end = 4096; }, "shard 0 has"},
    {"ShardEndWraps", [](auto& c) { c.shards[1].data_end = ~0ULL; }, "shard 1 has"},
    {"ShardSizeIsNoPage", [](auto& c) { c.shards[0].file_size += 1; }, "shard 0 has"},
    {"ShardHasASparePage", [](auto& c) { c.shards[0].file_size += 4096; }, "shard 0 has"},
    {"ShardIsUnused", [](auto& c) { c.shards.push_back(c.shards[0]); }, "1 shards hold nothing"},
};

const Break kExtentBreaks[] = {
    {"ExtentOfNoShard", [](auto& c) { c.extents[3].shard = 2; }, "extent 3 is out of order"},
    {"ExtentSkipsAShard", [](auto& c) { c.extents[0].shard = 1; }, "extent 0 is out of order"},
    {"ExtentsOverlap", [](auto& c) { c.extents[2].offset = 4096; }, "extent 2 is out of order"},
    {"ExtentInTheEnvelope", [](auto& c) { c.extents[0].offset = 0; }, "extent 0 is out of order"},
    {"ExtentIsMisaligned", [](auto& c) { c.extents[2].offset = 4353; }, "breaks its alignment"},
    {"ExtentAlignmentTooSmall", [](auto& c) { c.extents[1].alignment_log2 = 7; }, "alignment"},
    {"ExtentAlignmentTooLarge", [](auto& c) { c.extents[1].alignment_log2 = 64; }, "alignment"},
    {"ExtentPastTheShard", [](auto& c) { c.extents[3].stored_size = 1 << 20; },
     "does not lie in shard 1"},
    {"ExtentSizeWraps", [](auto& c) { c.extents[3].stored_size = ~0ULL; }, "does not lie in"},
    {"ExtentIsEmpty", [](auto& c) { c.extents[3].stored_size = 0; }, "does not lie in"},
    {"ExtentHasNoRawBytes", [](auto& c) { c.extents[3].raw_size = 0; }, "does not lie in"},
    {"RawSizeDiffers", [](auto& c) { c.extents[3].raw_size = 101; }, "stores 100 bytes for 101"},
    {"ExtentFlags", [](auto& c) { c.extents[0].flags = 1; }, "extent 0 sets reserved"},
    {"RawParameters", [](auto& c) { c.extents[0].parameters = 0; }, "extent 0 sets reserved"},
};

const Break kChunkBreaks[] = {
    {"ChunkLogTooSmall", [](auto& c) { c.extents[1].chunk_log2 = 15; }, "chunks of 2^15"},
    {"ChunkLogTooLarge", [](auto& c) { c.extents[1].chunk_log2 = 27; }, "chunks of 2^27"},
    {"TooFewChunks", [](auto& c) { c.extents[0].chunk_count = 1; }, "has 1 chunks, it needs 2"},
    {"ChunksOfAnother", [](auto& c) { c.extents[1].chunk_first = 1; }, "does not own the next"},
    {"ChunkMissing", [](auto& c) { c.chunks.pop_back(); },
     "extent 3 owns chunks that do not exist"},
    {"ChunkTooMany", [](auto& c) { c.chunks.push_back({}); }, "1 chunks belong to no extent"},
    {"RawChunkMoved", [](auto& c) { c.chunks[1].offset = 65'600; }, "chunk 1 of extent 0"},
    {"RawChunkShort", [](auto& c) { c.chunks[1].stored_size = 34'463; }, "chunk 1 of extent 0"},
    {"ChunkFlags", [](auto& c) { c.chunks[2].flags = 1; }, "chunk 0 of extent 1 sets reserved"},
    {"CodedChunksOverlap",
     [](auto& c) {
       c.extents[0].codec = 200;
       c.chunks[1].offset = 64;
     },
     "chunk 1 of extent 0"},
    {"CodedChunkMisaligned",
     [](auto& c) {
       c.extents[0].codec = 200;
       c.chunks[1].offset = 65'537;
     },
     "chunk 1 of extent 0"},
};

const Break kLayerBreaks[] = {
    {"LayerWithoutName", [](auto& c) { c.layers[0].name = ""; }, "layer 0 has no name"},
    {"LayerNameTooLong", [](auto& c) { c.layers[0].name = std::string(4097, 'x'); },
     "layer 0 has no name"},
    {"LayerSkipsATensor", [](auto& c) { c.layers[1].row.tensor_first = 2; }, "does not own"},
    {"LayerWithoutTensors",
     [](auto& c) {
       c.layers[2].row.tensor_count = 0;
       for (int i = 4; i < 6; ++i) c.tensors.pop_back();
     },
     "layer 2 owns"},
    {"LayerFlags", [](auto& c) { c.layers[0].row.flags = 1; }, "layer 0 sets reserved"},
    {"LayerReserved", [](auto& c) { c.layers[0].row.reserved = 1; }, "layer 0 sets reserved"},
    {"LayerOwnsTooManyTensors", [](auto& c) { c.layers[2].row.tensor_count = 3; }, "layer 2 owns"},
    {"LayerRangeTooShort", [](auto& c) { c.layers[0].row.end = 102'400; }, "is not the pages"},
    {"LayerRangeTooLong", [](auto& c) { c.layers[1].row.end = 12'288; }, "is not the pages"},
    {"LayerInTheWrongShard", [](auto& c) { c.layers[1].row.shard = 0; }, "does not lie in layer 1"},
    {"RangeWithoutExtents", [](auto& c) { c.layers[2].row.end = 4096; }, "but no extents"},
    {"ExtentOfAnotherLayer", [](auto& c) { c.extents[1].layer = 0; }, "layer does not list"},
    {"ExtentOfNoLayer", [](auto& c) { c.extents[3].layer = 1; }, "extent 3 is of no layer"},
    {"PageIsSharedWithAnAttachment",
     [](auto& c) {
       c.layers[1].row.extent_count = 1;
       c.extents[2].layer = kNone;
       c.tensors[2].shape = {0};
       c.tensors[2].row.nbytes = 0;
       c.tensors[2].row.extent = kNone;
       c.layers[2].row.extent_first = 2;
     },
     "extent 2 of no layer shares a page"},
    {"ForeignIsMissing", [](auto& c) { c.layers[2].foreign = {9}; }, "layer does not list"},
    {"ForeignIsAnAttachment",
     [](auto& c) {
       c.layers[2].foreign = {0, 3};
     },
     "shares extent 3"},
    {"ForeignIsItsOwn", [](auto& c) { c.layers[0].foreign = {0}; }, "shares extent 0"},
    {"ForeignWithoutTensors",
     [](auto& c) {
       c.layers[2].foreign = {0, 1};
     },
     "layer 2 shares extent 1, in which none"},
    {"ForeignOutOfOrder",
     [](auto& c) {
       c.layers[2].foreign = {0, 0};
     },
     "shares extent 0"},
};

const Break kTensorBreaks[] = {
    {"TensorWithoutName", [](auto& c) { c.tensors[0].name = ""; }, "tensor 0 has no name"},
    {"TensorNameTooLong", [](auto& c) { c.tensors[0].name = std::string(4097, 'x'); },
     "tensor 0 has no name"},
    {"TensorNameWithNul", [](auto& c) { c.tensors[0].name = std::string("a\0b", 3); },
     "not UTF-8 without NUL"},
    {"TensorNameNotUtf8", [](auto& c) { c.tensors[0].name = "a\xff"; }, "not UTF-8"},
    {"TensorNameSplitsACharacter",
     [](auto& c) {
       c.tensors[0].name = "a\xc3";
       c.tensors[1].name = "\xa9";
     },
     "tensor 1 has no name"},
    {"RankTooLarge", [](auto& c) { c.tensors[0].shape.assign(33, 1); }, "33 dimensions"},
    {"ShapeDeniesSize",
     [](auto& c) {
       c.tensors[0].shape = {251, 100};
     },
     "shape and type say"},
    {"ShapeOverflows",
     [](auto& c) {
       c.tensors[0].shape = {1ULL << 40, 1ULL << 40};
     },
     "say"},
    {"StartsInsideAnElement", [](auto& c) { c.tensors[5].row.byte_offset = 401; }, "inside an"},
    {"PastItsExtent", [](auto& c) { c.tensors[5].row.byte_offset = 99'604; }, "does not lie in"},
    {"OffsetWraps", [](auto& c) { c.tensors[5].row.byte_offset = ~3ULL; }, "does not lie in"},
    {"ExtentMissing", [](auto& c) { c.tensors[1].row.extent = 4; }, "tensor 1 has no extent"},
    {"EmptyWithExtent", [](auto& c) { c.tensors[3].row.extent = 1; }, "empty tensor 3"},
    {"FullWithoutExtent", [](auto& c) { c.tensors[1].row.extent = kNone; }, "has no extent"},
    {"LayerMissing", [](auto& c) { c.tensors[5].row.layer = 3; }, "tensor 5 has no layer"},
    {"OfAnotherLayer", [](auto& c) { c.tensors[3].row.layer = 2; }, "tensor 3 is not of layer 1"},
    {"ExtentNotListed", [](auto& c) { c.layers[2].foreign.clear(); }, "its layer does not list"},
    {"Transform", [](auto& c) { c.tensors[0].row.transform = 0; }, "tensor 0 sets reserved"},
    {"Quantisation", [](auto& c) { c.tensors[0].row.quantisation = 0; }, "sets reserved"},
    {"TensorFlags", [](auto& c) { c.tensors[0].row.flags = 1; }, "sets reserved"},
    {"TensorReservedA", [](auto& c) { c.tensors[0].row.reserved_a = 1; }, "sets reserved"},
    {"TensorReservedB", [](auto& c) { c.tensors[0].row.reserved_b = 1; }, "sets reserved"},
    {"AliasOfItself", [](auto& c) { c.tensors[4].row.alias_of = 4; }, "not an alias of tensor 4"},
    {"AliasOfNothing", [](auto& c) { c.tensors[4].row.alias_of = 6; }, "not an alias of tensor 6"},
    {"AliasOfAnAlias", [](auto& c) { c.tensors[5].row.alias_of = 4; }, "not an alias of tensor 4"},
    {"AliasOfOtherBytes", [](auto& c) { c.tensors[5].row.alias_of = 1; }, "not an alias"},
};

const Break kSideBreaks[] = {
    {"AttachmentNamedAsAPath", [](auto& c) { c.attachments[0].name = "a/b"; }, "bad name"},
    {"AttachmentHidden", [](auto& c) { c.attachments[0].name = ".a"; }, "bad name"},
    {"AttachmentsOutOfOrder",
     [](auto& c) {
       c.attachments.push_back({"a", {}});
     },
     "bad name"},
    {"AttachmentFlags", [](auto& c) { c.attachments[0].row.flags = 1; },
     "attachment 0 sets reserved"},
    {"AttachmentOfATensor", [](auto& c) { c.attachments[0].row.extent = 0; },
     "lies in extent 0, which"},
    {"AttachmentExtentMissing", [](auto& c) { c.attachments[0].row.extent = 77; },
     "lies in extent 77, which"},
    {"SourceWithoutName", [](auto& c) { c.sources[0].name = ""; }, "source 0"},
    {"SourceFlags", [](auto& c) { c.sources[0].row.flags = 1; }, "source 0 sets reserved"},
    {"MetadataKeyTooLong", [](auto& c) { c.metadata[0].key = std::string(4097, 'k'); },
     "metadata entry 0 is out of place"},
    {"MetadataReserved", [](auto& c) { c.metadata[0].row.reserved_b = 1; },
     "entry 0 sets reserved"},
    {"MetadataKeyHoldsNul", [](auto& c) { c.metadata[0].key = std::string(1, '\0'); },
     "entry 0 has a NUL character in its key"},
    {"MetadataNotUtf8", [](auto& c) { c.metadata[0].value = "\xff"; }, "entry 0 is not UTF-8"},
    {"ProducerTooLong", [](auto& c) { c.producer = std::string(256, 'p'); },
     "256 bytes of producer, the format allows 255", ErrorCode::kLimit},
    {"SourceFormatTooLong", [](auto& c) { c.source_format = std::string(256, 's'); },
     "256 bytes of source format", ErrorCode::kLimit},
    {"ProducerNotUtf8", [](auto& c) { c.producer = "\xff"; }, "producer and source format"},
};

std::string break_name(const ::testing::TestParamInfo<Break>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Shards, IndexValidatorTest, ::testing::ValuesIn(kShardBreaks), break_name);
INSTANTIATE_TEST_SUITE_P(Extents, IndexValidatorTest, ::testing::ValuesIn(kExtentBreaks),
                         break_name);
INSTANTIATE_TEST_SUITE_P(Chunks, IndexValidatorTest, ::testing::ValuesIn(kChunkBreaks), break_name);
INSTANTIATE_TEST_SUITE_P(Layers, IndexValidatorTest, ::testing::ValuesIn(kLayerBreaks), break_name);
INSTANTIATE_TEST_SUITE_P(Tensors, IndexValidatorTest, ::testing::ValuesIn(kTensorBreaks),
                         break_name);
INSTANTIATE_TEST_SUITE_P(SideRows, IndexValidatorTest, ::testing::ValuesIn(kSideBreaks),
                         break_name);

TEST(IndexValidatorCodecTest, AcceptsCodecsAndTypesOfANewerWriter) {
  IndexContents contents = sample_contents();
  contents.extents[1].codec = 200;
  contents.extents[1].raw_size = 50;
  contents.tensors[1].row.dtype = 999;
  EXPECT_THAT(parse(contents), IsOk());
}

TEST(IndexParseTest, RejectsBytesThatAreNoFlatBuffer) {
  const std::vector<std::byte> zeros(64);
  EXPECT_THAT(Index::parse(zeros, nullptr), Fails(ErrorCode::kBadInput, "WPK1 FlatBuffer"));
  EXPECT_THAT(Index::parse({}, nullptr), Fails(ErrorCode::kBadInput, "too short"));
}

// The list of dimensions begins in the middle of its first number: the 1 becomes its count.
TEST(IndexParseTest, RejectsRowsThatAreNotAligned) {
  IndexContents contents;
  contents.layers = {{"a", {.tensor_count = 1}, {}}};
  contents.tensors = {{"a.x", {1, 0}, {.dtype = static_cast<std::uint16_t>(DType::kF32)}}};
  auto bytes = *build_index(contents);
  ASSERT_THAT(Index::parse(bytes, nullptr), IsOk());
  testing::FlatIndex index(bytes);
  const std::size_t at = index.reference(testing::Field::kDims);
  index.store(at, index.load<std::uint32_t>(at) + 4);
  EXPECT_THAT(Index::parse(bytes, nullptr), Fails(ErrorCode::kBadInput, "misaligned rows"));
}

// FlatBuffers aligns no vector that is empty.
TEST(IndexParseTest, AcceptsEmptyDimensionsAnywhere) {
  for (std::size_t size = 1; size <= 8; ++size) {
    IndexContents contents;
    contents.producer = std::string(size, 'p');
    EXPECT_THAT(parse(contents), IsOk()) << size;
  }
}

TEST(IndexParseTest, SurvivesEveryTruncationAndEveryChangedByte) {
  const auto bytes = *build_index(sample_contents());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
    (void)Index::parse(cut, nullptr);
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const std::byte flip : {std::byte{1}, std::byte{0x80}, std::byte{0xFF}}) {
      std::vector<std::byte> changed = bytes;
      changed[at] ^= flip;
      (void)Index::parse(changed, nullptr);
    }
  }
}

}  // namespace
}  // namespace wpack::format
