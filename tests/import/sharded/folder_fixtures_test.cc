// Folders that transformers wrote, against what it reads from them itself
// (tests/data/hugging_face/make_fixtures.py).
#include <gtest/gtest.h>
#include <libdeflate.h>

#include <nlohmann/json.hpp>

#include "import/torch/checkpoint_file.h"
#include "support/paths.h"
#include "support/result_matchers.h"

namespace wpack {
namespace {

using nlohmann::json;
using testing::IsOk;

const std::filesystem::path kFolders = testing::test_data() / "hugging_face";

json manifest() { return json::parse(testing::read_file(kFolders / "manifest.json")); }

class FolderFixturesTest : public ::testing::TestWithParam<std::string> {
 protected:
  const json expected_ = manifest().at(GetParam());
  const std::filesystem::path path_ = kFolders / GetParam();
};

TEST_P(FolderFixturesTest, HoldWhatTransformersReads) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(path_.string()));
  const auto& tensors = source->description().tensors;
  EXPECT_EQ(tensors.size(), expected_["tensors"].size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    SCOPED_TRACE(tensors[i].name);
    ASSERT_TRUE(expected_["tensors"].contains(tensors[i].name));
    const json& wanted = expected_["tensors"][tensors[i].name];
    EXPECT_EQ(find_dtype(tensors[i].dtype)->torch_name, wanted["dtype"].get<std::string>());
    EXPECT_EQ(tensors[i].shape, wanted["shape"].get<std::vector<std::uint64_t>>());
    ASSERT_OK_AND_ASSIGN(const std::string bytes, testing::read_tensor(*source, i));
    EXPECT_EQ(libdeflate_crc32(0, bytes.data(), bytes.size()),
              wanted["crc32"].get<std::uint32_t>());
  }
  EXPECT_THAT(source->finish({}), IsOk());
}

TEST_P(FolderFixturesTest, AreKeptWholeWithoutAWarning) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(path_.string()));
  const SourceDescription& description = source->description();
  EXPECT_EQ(description.warnings, std::vector<std::string>());
  EXPECT_EQ(description.left_out_files, std::vector<std::string>());
  std::vector<std::string> names;
  for (const SourceFile& file : description.files) names.push_back(file.name);
  for (std::size_t i = 0; i < description.attachments.size(); ++i) {
    const SourceAttachment& attachment = description.attachments[i];
    names.push_back(attachment.name);
    std::string bytes(attachment.size, '\0');
    ASSERT_THAT(source->read_attachment(i, 0, std::as_writable_bytes(std::span(bytes))), IsOk());
    EXPECT_EQ(bytes, testing::read_file(path_ / attachment.name));
  }
  std::ranges::sort(names);
  EXPECT_EQ(names, expected_["files"].get<std::vector<std::string>>());
}

INSTANTIATE_TEST_SUITE_P(Transformers, FolderFixturesTest,
                         ::testing::Values("safetensors_single", "safetensors_sharded",
                                           "safetensors_variant", "torch_single", "torch_sharded",
                                           "torch_variant"),
                         [](const auto& row) { return row.param; });

TEST(TorchFolderFixturesTest, KeepsTheTieOfHeadAndEmbedding) {
  ASSERT_OK_AND_ASSIGN(const auto source,
                       open_tensor_source((kFolders / "torch_sharded").string()));
  std::map<std::string, std::uint32_t> storages;
  for (const SourceTensor& tensor : source->description().tensors)
    storages[tensor.name] = tensor.storage.value().id;
  EXPECT_EQ(storages.at("lm_head.weight"), storages.at("model.embed_tokens.weight"));
  std::set<std::uint32_t> distinct;
  for (const auto& [name, id] : storages) distinct.insert(id);
  EXPECT_EQ(distinct.size(), storages.size() - 1);
}

}  // namespace
}  // namespace wpack
