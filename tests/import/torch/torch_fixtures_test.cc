// Real files of real PyTorch versions against what PyTorch itself says of them
// (tests/data/torch/make_fixtures.py).
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>

#include "import/torch/checkpoint_file.h"
#include "support/paths.h"

namespace wpack {
namespace {

using nlohmann::json;
using testing::Fails;
using testing::IsOk;
using testing::read_tensor;

const std::filesystem::path kFolder = testing::test_data() / "torch";

struct Fixture {
  std::string file;
  json expected;
};
void PrintTo(const Fixture& fixture, std::ostream* out) { *out << fixture.file; }

std::vector<Fixture> fixtures() {
  std::vector<Fixture> all;
  for (const char* manifest : {"torch1.13.json", "torch2.15.json"}) {
    const json parsed = json::parse(testing::read_file(kFolder / manifest));
    for (const auto& [file, expected] : parsed["files"].items()) all.push_back({file, expected});
  }
  return all;
}

std::string test_name(const ::testing::TestParamInfo<Fixture>& info) {
  std::string name = info.param.file;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}

Result<std::unique_ptr<TensorSource>> open(const std::string& name) {
  WPACK_ASSIGN(os::File file, os::File::open_read((kFolder / name).string()));
  return import::open_torch_zip(std::move(file), {});
}

class TorchFixturesTest : public ::testing::TestWithParam<Fixture> {};

TEST_P(TorchFixturesTest, ReadsWhatPyTorchSays) {
  const auto& [name, expected] = GetParam();
  if (expected.contains("refused")) {
    const auto source = open(name);
    ASSERT_FALSE(source) << "it should be refused: " << expected["refused"];
    EXPECT_THAT(source, Fails(source.error().code(), expected["refused"].get<std::string>()));
    EXPECT_TRUE(source.error().code() == ErrorCode::kBadInput ||
                source.error().code() == ErrorCode::kLimit);
    return;
  }
  ASSERT_OK_AND_ASSIGN(const auto source, open(name));
  const SourceDescription& description = source->description();
  EXPECT_EQ(description.format, "torch-zip");
  ASSERT_EQ(description.tensors.size(), expected["tensors"].size());
  for (std::size_t i = 0; i < description.tensors.size(); ++i) {
    const SourceTensor& tensor = description.tensors[i];
    const json& wanted = expected["tensors"][i];
    SCOPED_TRACE(wanted["name"].get<std::string>());
    EXPECT_EQ(tensor.name, wanted["name"].get<std::string>());
    const DTypeInfo* dtype = find_dtype(tensor.dtype);
    ASSERT_NE(dtype, nullptr);
    EXPECT_EQ(dtype->torch_name, wanted["dtype"].get<std::string>());
    EXPECT_EQ(tensor.shape, wanted["shape"].get<std::vector<std::uint64_t>>());
    EXPECT_EQ(tensor.nbytes, tensor_nbytes(tensor.dtype, tensor.shape));
    for (const std::size_t piece : {std::size_t{1} << 16, std::size_t{3}}) {
      ASSERT_OK_AND_ASSIGN(const std::string bytes, read_tensor(*source, i, piece));
      EXPECT_EQ(libdeflate_crc32(0, bytes.data(), bytes.size()),
                wanted["crc32"].get<std::uint32_t>());
    }
  }
  EXPECT_THAT(source->finish({}), IsOk());
}

TEST_P(TorchFixturesTest, ReadsScalarsAsMetadata) {
  const auto& [name, expected] = GetParam();
  if (expected.contains("refused")) return;
  const std::map<std::string, MetadataType> types = {{"string", MetadataType::kString},
                                                     {"integer", MetadataType::kInteger},
                                                     {"float", MetadataType::kFloat},
                                                     {"bool", MetadataType::kBool},
                                                     {"none", MetadataType::kNone}};
  ASSERT_OK_AND_ASSIGN(const auto source, open(name));
  const auto& metadata = source->description().metadata;
  ASSERT_EQ(metadata.size(), expected["metadata"].size());
  for (std::size_t i = 0; i < metadata.size(); ++i) {
    const json& wanted = expected["metadata"][i];
    SCOPED_TRACE(wanted[0].get<std::string>());
    EXPECT_EQ(metadata[i].key, wanted[0].get<std::string>());
    EXPECT_EQ(metadata[i].type, types.at(wanted[1].get<std::string>()));
    EXPECT_EQ(metadata[i].origin, MetadataOrigin::kCheckpoint);
    const std::string value = wanted[2].get<std::string>();
    if (metadata[i].type == MetadataType::kFloat) {
      EXPECT_EQ(std::strtod(metadata[i].value.c_str(), nullptr),
                std::strtod(value.c_str(), nullptr));
    } else {
      EXPECT_EQ(metadata[i].value, value);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TorchFixturesTest, ::testing::ValuesIn(fixtures()), test_name);

const SourceTensor& find(const TensorSource& source, std::string_view name) {
  for (const SourceTensor& tensor : source.description().tensors)
    if (tensor.name == name) return tensor;
  throw std::runtime_error("no tensor " + std::string(name));
}

TEST(TorchFixtureDetailsTest, ReportsWhatTensorsShare) {
  for (const char* file : {"torch1.13_views.pt", "torch2.15_views.pt"}) {
    ASSERT_OK_AND_ASSIGN(const auto source, open(file));
    const auto base = find(*source, "base").storage;
    ASSERT_TRUE(base);
    for (const char* whole : {"tied", "tied_view"}) {
      const auto storage = find(*source, whole).storage;
      ASSERT_TRUE(storage) << whole;
      EXPECT_EQ(storage->id, base->id);
      EXPECT_EQ(storage->byte_offset, 0U);
    }
    const auto offset = find(*source, "offset").storage;
    ASSERT_TRUE(offset);
    EXPECT_EQ(offset->id, base->id);
    EXPECT_EQ(offset->byte_offset, 32U);
    for (const char* gathered : {"transposed", "column", "expanded", "overlapping", "permuted"})
      EXPECT_FALSE(find(*source, gathered).storage) << gathered;
    EXPECT_NE(find(*source, "scalar").storage->id, base->id);
    // Strides of dimensions with one element mean nothing.
    EXPECT_TRUE(find(*source, "ones").storage);
  }
}

TEST(TorchFixtureDetailsTest, ReportsTiesOfABigEndianFile) {
  for (const char* file : {"torch1.13_big_endian.pt", "torch2.15_big_endian.pt"}) {
    ASSERT_OK_AND_ASSIGN(const auto source, open(file));
    EXPECT_EQ(find(*source, "f32").storage->id, find(*source, "f32_tied").storage->id);
  }
}

TEST(TorchFixtureDetailsTest, ReadsOneStorageUnderSeveralTypes) {
  ASSERT_OK_AND_ASSIGN(const auto source, open("torch2.15_objects.pt"));
  const auto id = find(*source, "as_uint16").storage->id;
  EXPECT_EQ(find(*source, "as_float8").storage->id, id);
  EXPECT_EQ(find(*source, "as_uint32").storage->id, id);
  EXPECT_EQ(find(*source, "as_uint32").storage->byte_offset, 4U);
}

TEST(TorchFixtureDetailsTest, ListsWhatItDrops) {
  ASSERT_OK_AND_ASSIGN(const auto source, open("torch2.15_training.pt"));
  const SourceDescription& description = source->description();
  EXPECT_THAT(description.dropped_leaves,
              ::testing::IsSupersetOf({"args: argparse.Namespace",
                                       "optimizer.state.0.exp_avg: tensor outside the root"}));
  EXPECT_THAT(
      description.warnings,
      ::testing::ElementsAre("values of argparse.Namespace are not known and were left out"));
}

TEST(TorchFixtureDetailsTest, ListsAttributesOfTensors) {
  ASSERT_OK_AND_ASSIGN(const auto source, open("torch2.15_objects.pt"));
  EXPECT_THAT(source->description().dropped_leaves,
              ::testing::IsSupersetOf({"attributed (attribute origin): str", "set: set",
                                       "tagged_parameter (attribute tag): str"}));
}

TEST(TorchFixtureDetailsTest, WarnsThatNothingIsChecked) {
  ASSERT_OK_AND_ASSIGN(const auto source, open("torch2.15_no_crc.pt"));
  EXPECT_THAT(source->description().warnings,
              ::testing::ElementsAre(::testing::HasSubstr("without checksums")));
}

TEST(TorchFixtureDetailsTest, ReadsTheChosenRoot) {
  const std::string path = (kFolder / "torch2.15_training.pt").string();
  ASSERT_OK_AND_ASSIGN(os::File file, os::File::open_read(path));
  ASSERT_OK_AND_ASSIGN(const auto source,
                       import::open_torch_zip(std::move(file), {.root = "optimizer.state.1"}));
  ASSERT_EQ(source->description().tensors.size(), 3U);
  EXPECT_EQ(source->description().tensors[1].name, "exp_avg");
}

TEST(TorchFixtureDetailsTest, NamesTheFileAndItsDigest) {
  ASSERT_OK_AND_ASSIGN(const auto first, open("torch2.15_nested.pt"));
  ASSERT_OK_AND_ASSIGN(const auto second, open("torch2.15_in_memory.pt"));
  const SourceFile& file = first->description().files.at(0);
  EXPECT_EQ(file.name, "torch2.15_nested.pt");
  EXPECT_EQ(file.size, std::filesystem::file_size(kFolder / "torch2.15_nested.pt"));
  EXPECT_NE(file.digest_low, second->description().files.at(0).digest_low);
}

}  // namespace
}  // namespace wpack
