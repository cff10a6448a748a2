#include "import/safetensors_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/paths.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;

// One tensor of four bytes with this text as its entry.
std::string one_entry(const std::string& entry) { return "{\"w\":" + entry + "}"; }

std::string repeat(const std::string& text, std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i) result += text;
  return result;
}

const std::string kGood = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";

struct RefusedHeader {
  std::string label;
  std::string text;
  std::string part;  // of the message
  std::uint64_t payload_size = 4;
  ErrorCode code = ErrorCode::kBadInput;
};

class SafetensorsRefusalTest : public ::testing::TestWithParam<RefusedHeader> {};

TEST_P(SafetensorsRefusalTest, RejectsTheHeader) {
  const RefusedHeader& row = GetParam();
  EXPECT_THAT(parse_safetensors_header(row.text, row.payload_size), Fails(row.code, row.part));
}

std::vector<RefusedHeader> broken_json() {
  return {
      {"Empty", "", "not valid JSON"},
      {"SpacesOnly", "    ", "not valid JSON"},
      {"NoJson", "hello", "not valid JSON"},
      {"CutInsideAnEntry", R"({"w":{"dtype":"F32","sha)", "not valid JSON"},
      {"CutBeforeTheLastBrace", "{\"w\":" + kGood, "not valid JSON"},
      {"TrailingComma", "{\"w\":" + kGood + ",}", "not valid JSON"},
      {"TextBehindTheObject", one_entry(kGood) + " x", "not valid JSON"},
      {"SecondObject", one_entry(kGood) + "{}", "not valid JSON"},
      {"NulPadding", one_entry(kGood) + std::string(3, '\0'), "NUL byte (header offset 54)"},
      {"ByteOrderMark", "\xef\xbb\xbf" + one_entry(kGood), "byte order mark"},
      {"Comment", "/**/" + one_entry(kGood), "not valid JSON"},
      {"SingleQuotes", "{'w':1}", "not valid JSON"},
      {"NameThatIsNotUtf8", "{\"w\xff\":" + kGood + "}", "not valid JSON"},
      {"OverlongUtf8", "{\"\xc0\xaf\":" + kGood + "}", "not valid JSON"},
      {"LoneSurrogate", R"({"\ud800":)" + kGood + "}", "not valid JSON"},
      {"RawControlCharacter", "{\"a\nb\":" + kGood + "}", "not valid JSON"},
      {"NotANumber", one_entry(R"({"dtype":"F32","shape":[NaN],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"LeadingZero", one_entry(R"({"dtype":"F32","shape":[01],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"NumberBeyondADouble", one_entry(R"({"dtype":"F32","shape":[1e999],"data_offsets":[0,4]})"),
       "not valid JSON"},
      {"DeepNesting",
       one_entry(R"({"x":)" + repeat("[", 100'000) + repeat("]", 100'000) + "," + kGood.substr(1)),
       "nested too deeply"},
  };
}

std::vector<RefusedHeader> wrong_structure() {
  const auto shape = [](const std::string& value) {
    return one_entry(R"({"dtype":"F32","shape":)" + value + R"(,"data_offsets":[0,4]})");
  };
  const auto offsets = [](const std::string& value) {
    return one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":)" + value + "}");
  };
  return {
      {"Array", "[]", "the header must be an object"},
      {"Text", "\"header\"", "the header must be an object"},
      {"Number", "7", "the header must be an object"},
      {"EntryInArrayForm", one_entry(R"(["F32",[1],[0,4]])"),
       "tensor \"w\": the entry must be an object"},
      {"NullEntry", one_entry("null"), "the entry must be an object"},
      {"TextEntry", one_entry("\"x\""), "the entry must be an object"},
      {"NoDtype", one_entry(R"({"shape":[1],"data_offsets":[0,4]})"), "dtype is missing"},
      {"NoShape", one_entry(R"({"dtype":"F32","data_offsets":[0,4]})"), "shape is missing"},
      {"NoOffsets", one_entry(R"({"dtype":"F32","shape":[1]})"), "data_offsets is missing"},
      {"NumberAsDtype", one_entry(R"({"dtype":1,"shape":[1],"data_offsets":[0,4]})"),
       "dtype must be a string"},
      {"NumberAsShape", shape("1"), "shape must be a list"},
      {"NullShape", shape("null"), "shape must be a list"},
      {"ObjectAsShape", shape("{}"), "shape must be a list"},
      {"NestedShape", shape("[[1]]"), "shape must hold integers"},
      {"TextDimension", shape("[\"1\"]"), "shape must hold integers"},
      {"NegativeDimension", shape("[-1]"), "shape must hold integers"},
      {"NegativeZeroDimension", shape("[-0]"), "shape must hold integers"},
      {"FractionDimension", shape("[1.0]"), "shape must hold integers"},
      {"ExponentDimension", shape("[1e0]"), "shape must hold integers"},
      {"BooleanDimension", shape("[true]"), "shape must hold integers"},
      {"DimensionPast2To53", shape("[9007199254740993]"), "integers of 0 to 2^53"},
      {"DimensionPast2To64", shape("[18446744073709551616]"), "integers of 0 to 2^53"},
      {"ThirtyThreeDimensions", shape("[" + repeat("1,", 32) + "1]"), "more than 32 dimensions"},
      {"NumberAsOffsets", offsets("4"), "data_offsets must be a list"},
      {"NoOffset", offsets("[]"), "data_offsets must hold two integers"},
      {"OneOffset", offsets("[0]"), "data_offsets must hold two integers"},
      {"ThreeOffsets", offsets("[0,4,4]"), "data_offsets must hold two integers"},
      {"NegativeOffset", offsets("[-4,4]"), "data_offsets must hold integers"},
      {"FractionOffset", offsets("[0,4.0]"), "data_offsets must hold integers"},
      {"OffsetPast2To53", offsets("[0,9007199254740993]"), "data_offsets must hold integers"},
      {"DtypeTwice", one_entry(R"({"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
       "tensor \"w\": dtype appears twice"},
      {"ShapeTwice", one_entry(R"({"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]})"),
       "shape appears twice"},
      {"OffsetsTwice",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]})"),
       "data_offsets appears twice"},
      {"UnknownFieldTwice", one_entry(R"({"x":1,"x":1,)" + kGood.substr(1)),
       "field \"x\" appears twice"},
      {"FieldTwiceInsideAnUnknownField", one_entry(R"({"x":[{"y":1,"y":2}],)" + kGood.substr(1)),
       "field \"y\" appears twice"},
      {"TensorTwice", "{\"w\":" + kGood + ",\"w\":" + kGood + "}", "tensor \"w\" appears twice"},
      {"TensorTwiceThroughAnEscape", "{\"w\":" + kGood + ",\"\\u0077\":" + kGood + "}",
       "tensor \"w\" appears twice"},
  };
}

std::vector<RefusedHeader> wrong_metadata() {
  const auto metadata = [](const std::string& value) {
    return "{\"__metadata__\":" + value + ",\"w\":" + kGood + "}";
  };
  std::string many;
  for (int i = 0; i <= 65'536; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":\"\"";
  return {
      {"MetadataText", metadata("\"x\""), "__metadata__ must be an object or null"},
      {"MetadataArray", metadata("[]"), "__metadata__ must be an object or null"},
      {"MetadataNumberValue", metadata(R"({"a":1})"), "a value of __metadata__ must be a string"},
      {"MetadataNullValue", metadata(R"({"a":null})"), "a value of __metadata__ must be a string"},
      {"MetadataObjectValue", metadata(R"({"a":{}})"), "a value of __metadata__ must be a string"},
      {"MetadataKeyTwice", metadata(R"({"a":"1","a":"2"})"),
       "__metadata__ has the key \"a\" twice"},
      {"MetadataTwice", "{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ appears twice"},
      {"MetadataKeyWithNul", metadata(R"({"a\u0000":"1"})"), "holds a NUL character"},
      {"MetadataKeyTooLong", metadata("{\"" + repeat("k", 4097) + "\":\"\"}"), "4096 bytes"},
      {"MetadataEntriesWithoutEnd", metadata("{" + many + "}"), "more than 65536 entries", 4,
       ErrorCode::kLimit},
  };
}

std::vector<RefusedHeader> wrong_tensors() {
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& end) {
    return one_entry("{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[0," +
                     end + "]}");
  };
  return {
      {"EmptyName", "{\"\":" + kGood + "}", "empty name"},
      {"NameWithNul", R"({"a\u0000b":)" + kGood + "}", "holds a NUL character"},
      {"NameTooLong", "{\"" + repeat("n", 4097) + "\":" + kGood + "}", "tensor name of 4097 bytes"},
      {"UnknownDtype", entry("Q9", "[1]", "4"), "tensor \"w\": unknown element type \"Q9\""},
      {"LowerCaseDtype", entry("f32", "[1]", "4"), "unknown element type \"f32\""},
      {"DtypeThatOnlyTorchHas", entry("C128", "[1]", "16"), "unknown element type \"C128\"", 16},
      {"DtypeThatDrivesATerminal", entry("\\u001b[2J", "[1]", "4"), "\"\\x1b[2J\""},
      {"SizeTooSmall", entry("F32", "[2]", "4"), "take 8 bytes, but data_offsets hold 4"},
      {"SizeTooLarge", entry("U8", "[3]", "4"), "take 3 bytes, but data_offsets hold 4"},
      {"ScalarOfTwo", entry("F16", "[]", "4"), "take 2 bytes, but data_offsets hold 4"},
      {"EmptyTensorWithBytes", entry("F32", "[0]", "4"), "take 0 bytes, but data_offsets hold 4"},
      {"ProductOverflow", entry("F32", "[9007199254740992,9007199254740992]", "4"),
       "product of its shape overflows"},
      {"BitsOverflow", entry("F64", "[9007199254740992,1024]", "4"),
       "product of its shape overflows"},
      {"HalfAByte", entry("F4", "[7]", "4"), "7 elements of 4 bits do not end at a byte"},
      {"SixBits", entry("F6_E2M3", "[5]", "4"), "5 elements of 6 bits do not end at a byte"},
  };
}

std::vector<RefusedHeader> wrong_layout() {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  return {
      {"OffsetsReversed", one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
       "end before they begin"},
      {"HoleAtTheFront", one_entry(R"({"dtype":"U8","shape":[4],"data_offsets":[1,5]})"),
       "begins at offset 1, but the data before it ends at 0", 5},
      {"HoleInTheMiddle", two("[0,4]", "[5,9]"), "tensor \"b\": its data begins at offset 5", 9},
      {"Overlap", two("[0,4]", "[3,7]"), "tensor \"b\": its data begins at offset 3", 7},
      {"SameBytesTwice", two("[0,4]", "[0,4]"),
       "begins at offset 0, but the data before it ends at 4"},
      {"EmptyTensorInsideAnother",
       R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       "tensor \"b\": its data begins at offset 2"},
      {"DataPastTheEnd", one_entry(kGood), "ends at offset 4 of 3 bytes", 3},
      {"BytesBehindTheData", one_entry(kGood),
       "5 bytes of tensor data, but the tensors end at offset 4", 5},
      {"BytesWithoutTensors", "{}", "4 bytes of tensor data, but the tensors end at offset 0"},
  };
}

std::string label_of(const ::testing::TestParamInfo<RefusedHeader>& info) {
  return info.param.label;
}

INSTANTIATE_TEST_SUITE_P(BrokenJson, SafetensorsRefusalTest, ::testing::ValuesIn(broken_json()),
                         label_of);
INSTANTIATE_TEST_SUITE_P(Structure, SafetensorsRefusalTest, ::testing::ValuesIn(wrong_structure()),
                         label_of);
INSTANTIATE_TEST_SUITE_P(Metadata, SafetensorsRefusalTest, ::testing::ValuesIn(wrong_metadata()),
                         label_of);
INSTANTIATE_TEST_SUITE_P(Tensors, SafetensorsRefusalTest, ::testing::ValuesIn(wrong_tensors()),
                         label_of);
INSTANTIATE_TEST_SUITE_P(Layout, SafetensorsRefusalTest, ::testing::ValuesIn(wrong_layout()),
                         label_of);

TEST(SafetensorsHeaderTest, ReadsTensorsInTheOrderOfTheirOffsets) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsHeader header, parse_safetensors_header(
                                                           R"( {"b":{"data_offsets":[4,6],
          "shape":[2,1],"dtype":"I8"},"z":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )",
                                                           6));
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[0].name, "z");
  EXPECT_EQ(header.tensors[0].dtype, DType::kF32);
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[1].name, "b");
  EXPECT_EQ(header.tensors[1].shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(header.tensors[1].nbytes, 2U);
  EXPECT_EQ(header.begins, (std::vector<std::uint64_t>{0, 4}));
  EXPECT_FALSE(header.tensors[1].storage.has_value());
}

TEST(SafetensorsHeaderTest, ReadsMetadataInTheOrderOfTheText) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader header,
      parse_safetensors_header(R"({"__metadata__":{"z":"1","a":"\u00e4","":""}})", 0));
  ASSERT_EQ(header.metadata.size(), 3U);
  EXPECT_EQ(header.metadata[0], (MetadataEntry{.key = "z", .value = "1"}));
  EXPECT_EQ(header.metadata[1], (MetadataEntry{.key = "a", .value = "ä"}));
  EXPECT_EQ(header.metadata[2].origin, MetadataOrigin::kSafetensors);
}

TEST(SafetensorsHeaderTest, ReadsNullMetadataAndAnyDimensionsBesideAZero) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader header,
      parse_safetensors_header(
          R"({"__metadata__":null,"e":{"dtype":"F64","shape":[0,281474976710656,281474976710656],)"
          R"("data_offsets":[0,0]}})",
          0));
  EXPECT_EQ(header.tensors.at(0).nbytes, 0U);
}

TEST(SafetensorsHeaderTest, ReadsWholeBytesOfSubByteTypes) {
  EXPECT_THAT(
      parse_safetensors_header(R"({"w":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[0,3]}})", 3),
      IsOk());
}

TEST(SafetensorsHeaderTest, ReadsAnEmptyTensorBetweenOthers) {
  EXPECT_THAT(parse_safetensors_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},)"
                                       R"("e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
                                       4),
              IsOk());
}

TEST(SafetensorsHeaderTest, ReadsEntriesWithUnknownFieldsAndSaysSoOnce) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsHeader header,
      parse_safetensors_header(
          one_entry(R"({"note":{"dtype":[1.5,null,-3,{"a":true}]},"x":1,)" + kGood.substr(1)), 4));
  EXPECT_EQ(header.warnings,
            std::vector<std::string>{"tensor \"w\": unknown field \"note\" (and 1 more) ignored"});
}

TEST(SafetensorsHeaderTest, ReadsNamesOfTheLargestSize) {
  EXPECT_THAT(parse_safetensors_header("{\"" + repeat("n", 4096) + "\":" + kGood + "}", 4), IsOk());
}

TEST(SafetensorsHeaderTest, ReportsTheOffsetOfWhatItRefuses) {
  EXPECT_THAT(
      parse_safetensors_header(R"({"w":{"dtype":7}})", 0),
      Fails(ErrorCode::kBadInput, "tensor \"w\": dtype must be a string (header offset 16)"));
}

// A changed byte may leave a valid header (a letter of a name), never a crash, and never a tensor
// whose bytes lie outside the payload.
TEST(SafetensorsHeaderTest, SurvivesEveryChangedByte) {
  const std::string file =
      testing::read_file(testing::test_data() / "safetensors/one_entry_metadata.safetensors");
  const std::size_t size =
      static_cast<unsigned char>(file[0]) + std::size_t{256} * static_cast<unsigned char>(file[1]);
  const std::string header = file.substr(8, size);
  const std::uint64_t payload_size = file.size() - 8 - size;
  int accepted = 0;
  int refused = 0;
  for (std::size_t at = 0; at < size; ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = header;
      changed[at] = static_cast<char>(value);
      const auto parsed = parse_safetensors_header(changed, payload_size);
      ++(parsed ? accepted : refused);
      for (std::size_t i = 0; parsed && i < parsed->tensors.size(); ++i)
        ASSERT_LE(parsed->begins[i] + parsed->tensors[i].nbytes, payload_size)
            << at << " " << value;
    }
  }
  EXPECT_GT(accepted, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace wpack::import
