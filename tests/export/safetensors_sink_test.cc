#include <gtest/gtest.h>

#include <algorithm>

#include "export/memory_tensors.h"
#include "export/safetensors_layout.h"
#include "support/paths.h"
#include "support/result_matchers.h"

namespace wpack::exporting {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

const std::string kFixtures = testing::test_data() / "safetensors/";

std::vector<MemoryTensor> read_tensors(TensorSource& source) {
  std::vector<MemoryTensor> tensors;
  for (const SourceTensor& row : source.description().tensors) {
    MemoryTensor tensor{.name = row.name, .dtype = row.dtype, .shape = row.shape};
    tensor.bytes.resize(row.nbytes);
    EXPECT_THAT(source.read(tensors.size(), 0, std::as_writable_bytes(std::span(tensor.bytes))),
                IsOk());
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

class SafetensorsIdentityTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SafetensorsIdentityTest, WritesWhatTheLibraryWroteInWhateverOrderTensorsCome) {
  const std::string path = kFixtures + GetParam() + ".safetensors";
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(path));
  std::vector<MemoryTensor> tensors = read_tensors(*source);
  const TempDir directory;
  for (int round = 0; round < 2; ++round) {
    ASSERT_THAT(write_file(directory.file("out"), tensors, source->description().metadata,
                           make_safetensors_sink),
                IsOk());
    EXPECT_EQ(testing::read_file(directory.file("out")), testing::read_file(path));
    std::ranges::reverse(tensors);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, SafetensorsIdentityTest,
                         ::testing::Values("dtypes", "shapes", "names", "metadata",
                                           "one_entry_metadata", "no_tensors", "model"));

TEST(SafetensorsSinkTest, WritesTiedTensorsUnderEveryName) {
  const TempDir directory;
  const std::vector<MemoryTensor> tensors = {
      {.name = "a", .shape = {4}, .bytes = "abcd"},
      {.name = "b", .shape = {4}, .bytes = "abcd", .tied_to = 0},
      {.name = "c", .shape = {2}, .bytes = "bc", .tied_to = 0, .tied_offset = 1}};
  ASSERT_THAT(write_file(directory.file("out"), tensors, {}, make_safetensors_sink), IsOk());
  const std::string bytes = testing::read_file(directory.file("out"));
  EXPECT_EQ(bytes.substr(bytes.size() - 10), "abcdabcdbc");
}

std::string header_of(ExportSource source) {
  const auto layout = plan_safetensors(source);
  return layout ? layout->front.substr(8) : layout.error().message();
}

TEST(SafetensorsLayoutTest, KeepsCheckpointMetadataAsTextWhereTheKeyIsFree) {
  const std::vector<MetadataEntry> metadata = {
      {.key = "epoch",
       .value = "3",
       .type = MetadataType::kInteger,
       .origin = MetadataOrigin::kCheckpoint},
      {.key = "format",
       .value = "other",
       .type = MetadataType::kString,
       .origin = MetadataOrigin::kCheckpoint},
      {.key = "format", .value = "pt"},
  };
  EXPECT_EQ(header_of({.tensors = {}, .metadata = metadata}),
            R"({"__metadata__":{"format":"pt","epoch":"3"}}    )");
}

TEST(SafetensorsLayoutTest, PadsTheHeaderToAMultipleOfEight) {
  const std::vector<MemoryTensor> tensors = {{.name = "abc", .shape = {1}, .bytes = "x"}};
  const std::vector<ExportTensor> described = describe(tensors);
  ASSERT_OK_AND_ASSIGN(const SafetensorsLayout layout, plan_safetensors({described, {}}));
  EXPECT_EQ(layout.front.size() % 8, 0U);
  EXPECT_EQ(layout.front.back(), ' ');
  EXPECT_EQ(layout.positions.at(0), layout.front.size());
  EXPECT_EQ(layout.file_size, layout.front.size() + 1);
}

Result<SafetensorsLayout> plan_one(const MemoryTensor& tensor) {
  const std::vector<MemoryTensor> tensors = {tensor};
  const std::vector<ExportTensor> described = describe(tensors);
  return plan_safetensors({described, {}});
}

TEST(SafetensorsLayoutTest, RejectsElementTypesThatTheFormatLacksByTensor) {
  for (const DType dtype : {DType::kC128, DType::kC32, DType::kF4X2, DType::kQI8, DType::kU4,
                            DType::kBits8, DType::kI4In8}) {
    EXPECT_THAT(plan_one({.name = "w\n", .dtype = dtype, .shape = {0}}),
                Fails(ErrorCode::kBadInput, "tensor \"w\\x0a\": safetensors has no element type " +
                                                std::string(dtype_name(dtype))));
  }
}

TEST(SafetensorsLayoutTest, RejectsElementTypesOfNewerContainers) {
  EXPECT_THAT(plan_one({.name = "w", .dtype = static_cast<DType>(999), .shape = {0}}),
              Fails(ErrorCode::kBadInput, "tensor \"w\": safetensors has no element type unknown"));
}

TEST(SafetensorsLayoutTest, RejectsWhatTheFormatCannotExpress) {
  EXPECT_THAT(plan_one({.name = "__metadata__", .shape = {0}}),
              Fails(ErrorCode::kBadInput, "keeps this name for metadata"));
  EXPECT_THAT(plan_one({.name = "w", .dtype = DType::kF4, .shape = {3}, .bytes = "xx"}),
              Fails(ErrorCode::kBadInput, "do not end at a byte"));
  constexpr std::uint64_t kLargest = std::uint64_t{1} << 53;
  EXPECT_THAT(plan_one({.name = "w", .shape = {0, kLargest}}), IsOk());
  EXPECT_THAT(plan_one({.name = "w", .shape = {0, kLargest + 1}}),
              Fails(ErrorCode::kBadInput, "tensor \"w\": safetensors cannot hold a dimension"));
  EXPECT_THAT(plan_one({.name = "w\xff", .shape = {0}}), Fails(ErrorCode::kBadInput, "not UTF-8"));
  const std::vector<MetadataEntry> metadata = {{.key = "k", .value = "\xff"}};
  EXPECT_THAT(plan_safetensors({{}, metadata}), Fails(ErrorCode::kBadInput, "metadata \"k\""));
}

TEST(SafetensorsLayoutTest, RejectsHeadersLargerThanTheFormatAllows) {
  const std::vector<MetadataEntry> metadata = {
      {.key = "k", .value = std::string(100'000'000, 'x')}};
  EXPECT_THAT(plan_safetensors({{}, metadata}),
              Fails(ErrorCode::kLimit, "larger than the 100000000 bytes"));
}

TEST(SafetensorsLayoutTest, RanksEveryElementTypeOfTheFormat) {
  for (const DTypeInfo& row : all_dtypes()) {
    if (!row.safetensors) continue;
    EXPECT_THAT(plan_one({.name = "w", .dtype = row.dtype, .shape = {0}}), IsOk()) << row.name;
  }
}

}  // namespace
}  // namespace wpack::exporting
