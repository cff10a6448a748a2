#include "import/safetensors_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "refusals/tables.h"
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

class SafetensorsRefusalTest : public ::testing::TestWithParam<refusals::BadHeader> {};

TEST_P(SafetensorsRefusalTest, RejectsTheHeader) {
  const refusals::BadHeader& row = GetParam();
  EXPECT_THAT(parse_safetensors_header(row.text, row.payload_size), Fails(row.code, row.part));
}

using refusals::broken_json;
using refusals::wrong_layout;
using refusals::wrong_metadata;
using refusals::wrong_structure;
using refusals::wrong_tensors;

std::string label_of(const ::testing::TestParamInfo<refusals::BadHeader>& info) {
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
