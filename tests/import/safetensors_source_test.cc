#include "import/safetensors_source.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <nlohmann/json.hpp>

#include "support/paths.h"
#include "support/result_matchers.h"
#include "support/safetensors_bytes.h"
#include "support/temp_dir.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::safetensors_file;
using testing::TempDir;

const std::string kFixtures = testing::test_data() / "safetensors/";
const std::string kPair = R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                          R"("b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})";

Result<std::unique_ptr<TensorSource>> open_path(const std::string& path) {
  WPACK_ASSIGN(os::File file, os::File::open_read(path));
  return open_safetensors(std::move(file));
}

Result<std::string> read_all(TensorSource& source, std::size_t index) {
  std::string out(source.description().tensors[index].nbytes, '\0');
  WPACK_TRY(source.read(index, 0, std::as_writable_bytes(std::span(out))));
  return out;
}

std::string to_hex(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    out += kDigits[static_cast<unsigned char>(byte) >> 4U];
    out += kDigits[static_cast<unsigned char>(byte) & 15U];
  }
  return out;
}

class SafetensorsFixtureTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SafetensorsFixtureTest, ReadsEveryByteThatTheLibraryWrote) {
  const auto manifest = nlohmann::json::parse(testing::read_file(kFixtures + "manifest.json"));
  const auto& expected = manifest.at(GetParam());
  ASSERT_OK_AND_ASSIGN(const auto source, open_path(kFixtures + GetParam()));
  const SourceDescription& description = source->description();
  ASSERT_EQ(description.tensors.size(), expected.at("tensors").size());
  for (std::size_t i = 0; i < description.tensors.size(); ++i) {
    const auto& row = expected.at("tensors")[i];
    const SourceTensor& tensor = description.tensors[i];
    EXPECT_EQ(tensor.name, row.at("name").get<std::string>());
    EXPECT_EQ(dtype_name(tensor.dtype), row.at("dtype").get<std::string>());
    EXPECT_EQ(tensor.shape, row.at("shape").get<std::vector<std::uint64_t>>());
    ASSERT_OK_AND_ASSIGN(const std::string bytes, read_all(*source, i));
    EXPECT_EQ(to_hex(bytes), row.at("hex").get<std::string>()) << tensor.name;
  }
  ASSERT_EQ(description.metadata.size(), expected.at("metadata").size());
  for (std::size_t i = 0; i < description.metadata.size(); ++i) {
    EXPECT_EQ(description.metadata[i].key, expected.at("metadata")[i][0].get<std::string>());
    EXPECT_EQ(description.metadata[i].value, expected.at("metadata")[i][1].get<std::string>());
  }
  EXPECT_THAT(source->finish({}), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Files, SafetensorsFixtureTest,
                         ::testing::Values("dtypes.safetensors", "shapes.safetensors",
                                           "names.safetensors", "metadata.safetensors",
                                           "one_entry_metadata.safetensors",
                                           "no_tensors.safetensors", "model.safetensors"),
                         [](const auto& row) { return row.param.substr(0, row.param.find('.')); });

TEST(SafetensorsSourceTest, ReturnsWhatItIsReadFrom) {
  const std::string path = kFixtures + "model.safetensors";
  ASSERT_OK_AND_ASSIGN(const auto source, open_path(path));
  const SourceDescription& description = source->description();
  EXPECT_EQ(description.format, "safetensors");
  EXPECT_EQ(description.order, SourceOrder::kName);
  ASSERT_EQ(description.files.size(), 1U);
  EXPECT_EQ(description.files[0].name, "model.safetensors");
  const std::string bytes = testing::read_file(path);
  EXPECT_EQ(description.files[0].size, bytes.size());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  const XXH128_hash_t digest = XXH3_128bits(bytes.data(), 8 + length);
  EXPECT_EQ(description.files[0].digest_high, digest.high64);
  EXPECT_EQ(description.files[0].digest_low, digest.low64);
  EXPECT_TRUE(description.warnings.empty());
}

TEST(SafetensorsSourceTest, ReadsRangesInsideATensor) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(
      const auto source,
      open_path(directory.write("x", testing::length_field(kPair.size()) + kPair + "abcdefgh")));
  std::string out(2, '\0');
  ASSERT_THAT(source->read(1, 2, std::as_writable_bytes(std::span(out))), IsOk());
  EXPECT_EQ(out, "fg");
}

TEST(SafetensorsSourceTest, RejectsRangesOutsideATensor) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto source,
                       open_path(directory.write("x", safetensors_file(kPair, 8))));
  std::string out(2, '\0');
  const auto bytes = std::as_writable_bytes(std::span(out));
  EXPECT_THAT(source->read(0, 2, bytes), Fails(ErrorCode::kInvalidArgument, "not inside tensor 0"));
  EXPECT_THAT(source->read(2, 0, bytes), Fails(ErrorCode::kInvalidArgument, "not inside tensor 2"));
}

TEST(SafetensorsSourceTest, ReportsAFileThatShrankByTensorAndOffset) {
  const TempDir directory;
  const std::string path = directory.write("x", safetensors_file(kPair, 8));
  ASSERT_OK_AND_ASSIGN(const auto source, open_path(path));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THAT(read_all(*source, 1), Fails(ErrorCode::kIo, "tensor \"b\""));
  EXPECT_THAT(source->finish({}), Fails(ErrorCode::kIo, "changed while it was read"));
}

TEST(SafetensorsSourceTest, RejectsAFileThatWasRewrittenMeanwhile) {
  const TempDir directory;
  const std::string path = directory.write("x", safetensors_file(kPair, 8));
  ASSERT_OK_AND_ASSIGN(const auto source, open_path(path));
  (void)directory.write("x", safetensors_file(kPair, 8));
  std::filesystem::last_write_time(
      path, std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  EXPECT_THAT(source->finish({}), Fails(ErrorCode::kIo, "changed while it was read"));
}

TEST(SafetensorsSourceTest, RejectsLengthsThatDoNotFit) {
  const TempDir directory;
  EXPECT_THAT(open_path(directory.write("a", "1234567")), Fails(ErrorCode::kBadInput, "too small"));
  EXPECT_THAT(open_path(directory.write("b", testing::length_field(3) + "{}")),
              Fails(ErrorCode::kBadInput, "header of 3 bytes in a file of 10"));
  EXPECT_THAT(open_path(directory.write("c", testing::length_field(100'000'001) + "{}")),
              Fails(ErrorCode::kBadInput, "more than the format's 100000000"));
  EXPECT_THAT(open_path(directory.write("d", testing::length_field(~std::uint64_t{0}) + "{}")),
              Fails(ErrorCode::kBadInput, "header of 18446744073709551615 bytes"));
  EXPECT_THAT(open_path(directory.write("e", testing::length_field(0))),
              Fails(ErrorCode::kBadInput, "not valid JSON"));
}

TEST(SafetensorsSourceTest, PutsTheFileInFrontOfEveryError) {
  const TempDir directory;
  const std::string path = directory.write("broken\x1b.safetensors", safetensors_file("{", 0));
  EXPECT_THAT(open_path(path), Fails(ErrorCode::kBadInput, "broken\\x1b.safetensors: "));
}

// No length but the true one makes sense of the fixture.
TEST(SafetensorsSourceTest, RejectsEveryChangedByteOfTheLength) {
  const TempDir directory;
  const std::string whole = testing::read_file(kFixtures + "one_entry_metadata.safetensors");
  for (std::size_t at = 0; at < 8; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_THAT(open_path(directory.write("x", changed)), Fails(ErrorCode::kBadInput, "x: "));
    }
  }
}

}  // namespace
}  // namespace wpack::import
