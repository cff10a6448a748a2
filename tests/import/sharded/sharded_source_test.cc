// Folders and indexes through open_tensor_source().
#include "import/sharded/sharded_source.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "import/sharded/read_source.h"
#include "import/torch/checkpoint_file.h"
#include "refusals/bad_folders.h"
#include "support/model_folder.h"
#include "support/result_matchers.h"

namespace wpack {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::kIndexName;
using testing::model_shard;
using testing::ModelFolder;
using ::testing::Not;
using testing::read_all;
using testing::read_attachment;
using testing::read_tensor;

std::vector<std::string> attachment_names(const TensorSource& source) {
  std::vector<std::string> names;
  for (const SourceAttachment& attachment : source.description().attachments)
    names.push_back(attachment.name);
  return names;
}

const std::map<std::string, std::string> kSmallContents = {{"embed.weight", std::string(300, 'e')},
                                                           {"layers.0.down", std::string(100, 'd')},
                                                           {"layers.0.up", std::string(200, '0')},
                                                           {"norm.weight", "nnnn"}};

class FolderTest : public ::testing::Test {
 protected:
  FolderTest() { testing::add_small_shards(folder_); }
  [[nodiscard]] auto open() const { return open_tensor_source(folder_.path()); }
  [[nodiscard]] auto open_index() const { return open_tensor_source(folder_.file(kIndexName)); }

  ModelFolder folder_;
};

TEST_F(FolderTest, ReadsAllFilesOfAnIndexAsOneSource) {
  folder_.write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  const SourceDescription& description = source->description();
  EXPECT_EQ(description.format, "safetensors");
  EXPECT_EQ(description.order, SourceOrder::kName);
  ASSERT_EQ(description.files.size(), 3U);
  EXPECT_EQ(description.files[2].name, "model-00003-of-00003.safetensors");
  EXPECT_EQ(description.files[2].size,
            fs::file_size(folder_.file("model-00003-of-00003.safetensors")));
  EXPECT_THAT(description.warnings, ElementsAre());
  EXPECT_THAT(description.left_out_files, ElementsAre());
  ASSERT_EQ(description.metadata.size(), 1U) << "equal metadata is kept once";
  EXPECT_EQ(description.metadata[0].key, "format");
  EXPECT_EQ(read_all(*source), kSmallContents);
}

TEST_F(FolderTest, ReadsTheSameWhenItsIndexIsNamed) {
  folder_.write_index().write("config.json", "{}");
  ASSERT_OK_AND_ASSIGN(const auto by_folder, open());
  ASSERT_OK_AND_ASSIGN(const auto by_index, open_index());
  EXPECT_EQ(read_all(*by_index), kSmallContents);
  EXPECT_THAT(attachment_names(*by_index), ElementsAre("config.json", kIndexName));
  EXPECT_EQ(attachment_names(*by_folder), attachment_names(*by_index));
}

TEST_F(FolderTest, ReadsSetsWithoutAnIndex) {
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  EXPECT_EQ(source->description().files.size(), 3U);
  EXPECT_EQ(read_all(*source), kSmallContents);
}

TEST_F(FolderTest, ReadsPathsAsTheUserWritesThem) {
  folder_.write_index();
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  for (const std::string path : {".", "./", "model.safetensors.index.json"}) {
    SCOPED_TRACE(path);
    EXPECT_THAT(open_tensor_source(path), IsOk());
  }
  fs::remove("model-00002-of-00003.safetensors");
  EXPECT_THAT(open_tensor_source(std::string(kIndexName)),
              Fails(ErrorCode::kIo,
                    "model.safetensors.index.json: names files that are not there: "
                    "model-00002-of-00003.safetensors"));
  fs::current_path(before);
  EXPECT_THAT(open_tensor_source(folder_.path() + "/"),
              Fails(ErrorCode::kIo, folder_.path() + "/model.safetensors.index.json: names"));
}

TEST(SingleFileFolderTest, ReadsIt) {
  ModelFolder folder;
  folder.write("model.safetensors", model_shard({{"w", "ww"}})).write("config.json", "{}");
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder.path()));
  EXPECT_THAT(attachment_names(*source), ElementsAre("config.json"));
  EXPECT_EQ(read_all(*source), (std::map<std::string, std::string>{{"w", "ww"}}));
}

TEST(SingleFileFolderTest, ReadsTheFileThatItsOwnIndexNames) {
  ModelFolder folder;
  folder.shard("model.safetensors", {{"w", "ww"}}).write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder.path()));
  EXPECT_EQ(source->description().files.size(), 1U);
}

TEST(CacheFolderTest, FollowsLinksOfFilesAndOfItsIndex) {
  ModelFolder blobs;
  testing::add_small_shards(blobs);
  blobs.write_index().write("config.json", "{}");
  const testing::TempDir snapshot;
  int number = 0;
  for (const auto& entry : fs::directory_iterator(blobs.path())) {
    const fs::path blob = fs::path(blobs.path()) / ("blob" + std::to_string(number++));
    fs::create_symlink(blob, snapshot.path() / entry.path().filename());
  }
  // The links are complete before the files get the names of blobs.
  for (const auto& link : fs::directory_iterator(snapshot.path()))
    fs::rename(blobs.path() / link.path().filename(), fs::read_symlink(link.path()));
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(snapshot.path().string()));
  EXPECT_EQ(read_all(*source), kSmallContents);
  EXPECT_THAT(attachment_names(*source), ElementsAre("config.json", kIndexName));
  EXPECT_EQ(source->description().files[0].name, "model-00001-of-00003.safetensors");
  ASSERT_OK_AND_ASSIGN(const auto by_index, open_tensor_source(snapshot.file(kIndexName)));
  EXPECT_EQ(read_all(*by_index), kSmallContents);
}

TEST_F(FolderTest, AttachesWhatTravelsWithTheWeightsAndListsTheRest) {
  folder_.write_index()
      .write("config.json", "{\"a\": 1}")
      .write("empty.txt", "")
      .write("tokenizer.model", "model")
      .write("model.onnx", "x")
      .write("größe.json", "x")
      .write(".gitattributes", "x")
      .write("pytorch_model.bin", "x")
      .write("pytorch_model.bin.index.json", "{}");
  fs::create_directory(folder_.file("original"));
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  EXPECT_THAT(attachment_names(*source),
              ElementsAre("config.json", "empty.txt", kIndexName, "tokenizer.model"));
  EXPECT_EQ(read_attachment(*source, 0), "{\"a\": 1}");
  EXPECT_EQ(read_attachment(*source, 1), "");
  EXPECT_EQ(read_attachment(*source, 2), folder_.index.dump());
  EXPECT_EQ(read_attachment(*source, 3), "model");
  EXPECT_THAT(source->description().left_out_files,
              ElementsAre(HasSubstr("größe.json (an attachment's name"), "model.onnx", "original",
                          "pytorch_model.bin", "pytorch_model.bin.index.json"));
  EXPECT_THAT(source->description().warnings,
              ElementsAre(HasSubstr("größe.json is left out: an attachment's name"),
                          "pytorch_model.bin (and 1 more) is left out: the weights are those of "
                          "model.safetensors.index.json"));
  EXPECT_THAT(source->finish({}), IsOk());
}

TEST_F(FolderTest, AttachesNothingWhenItIsToldSo) {
  folder_.write_index().write("config.json", "{}");
  ASSERT_OK_AND_ASSIGN(const auto source,
                       open_tensor_source(folder_.path(), {.attachments = false}));
  EXPECT_TRUE(source->description().attachments.empty());
  EXPECT_THAT(source->description().left_out_files, ElementsAre("config.json", kIndexName));
  EXPECT_TRUE(source->description().warnings.empty());
}

TEST_F(FolderTest, LeavesOutAttachmentsThatAreTooLarge) {
  folder_.write_index().write("tokenizer.json", "").write("vocab.json", "");
  fs::resize_file(folder_.file("tokenizer.json"), 64 << 20);
  fs::resize_file(folder_.file("vocab.json"), (64 << 20) + 1);
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  EXPECT_THAT(attachment_names(*source), ElementsAre(kIndexName, "tokenizer.json"));
  EXPECT_THAT(source->description().warnings,
              ElementsAre("vocab.json is left out: 67108865 bytes, more than the 67108864 of an "
                          "attachment"));
}

TEST_F(FolderTest, RejectsReadsOutsideOfTensorsAndAttachments) {
  folder_.write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  std::byte out[2];
  EXPECT_THAT(source->read(0, 299, out), Fails(ErrorCode::kInvalidArgument, "not inside tensor 0"));
  EXPECT_THAT(source->read(4, 0, out), Fails(ErrorCode::kInvalidArgument, "not inside tensor 4"));
  EXPECT_THAT(source->read_attachment(0, ~std::uint64_t{0}, out),
              Fails(ErrorCode::kInvalidArgument, "not inside attachment 0"));
  EXPECT_THAT(source->read_attachment(1, 0, out),
              Fails(ErrorCode::kInvalidArgument, "not inside attachment 1"));
}

// What is no defect, but worth a line.
struct Warned {
  const char* name;
  std::function<void(ModelFolder&)> change;
  const char* part;
};
void PrintTo(const Warned& row, std::ostream* out) { *out << row.name; }

class WarnedFolderTest : public ::testing::TestWithParam<Warned> {};

TEST_P(WarnedFolderTest, PacksWithOneWarning) {
  ModelFolder folder;
  testing::add_small_shards(folder);
  GetParam().change(folder);
  folder.write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder.path()));
  EXPECT_THAT(source->description().warnings, ElementsAre(HasSubstr(GetParam().part)));
  EXPECT_EQ(read_all(*source), kSmallContents);
}

const std::vector<Warned> kWarned = {
    {"TensorThatTheIndexDoesNotName",
     [](ModelFolder& folder) { folder.index["weight_map"].erase("layers.0.up"); },
     "tensor \"layers.0.up\" of model-00002-of-00003.safetensors is not in "
     "model.safetensors.index.json; it is packed too"},
    {"WrongTotalSize", [](ModelFolder& folder) { folder.index["metadata"]["total_size"] = 1; },
     "model.safetensors.index.json: total_size is 1, but the tensors have 604 bytes"},
    {"UnknownKey", [](ModelFolder& folder) { folder.index["version"] = 2; },
     "model.safetensors.index.json: unknown key \"version\" ignored"},
    {"OtherWeights", [](ModelFolder& folder) { folder.write("consolidated.safetensors", "x"); },
     "consolidated.safetensors is left out: the weights are those of model.safetensors.index.json"},
    {"OtherSet", [](ModelFolder& folder) { folder.write("model-00001-of-00001.safetensors", "x"); },
     "model-00001-of-00001.safetensors is left out"},
    {"OtherMetadata",
     [](ModelFolder& folder) {
       std::string shard = model_shard({{"norm.weight", "nnnn"}});
       shard.replace(shard.find("\"pt\""), 4, "\"np\"");
       folder.write("model-00003-of-00003.safetensors", shard);
     },
     "model-00003-of-00003.safetensors: metadata \"format\" differs"},
    {"WarningOfOneFile",
     [](ModelFolder& folder) {
       std::string shard = model_shard({{"norm.weight", "nnnn"}});
       shard.replace(shard.find("\"dtype\""), 7, "\"x\":7,\"dtype\"");
       shard[0] = static_cast<char>(shard[0] + 6);
       folder.write("model-00003-of-00003.safetensors", shard);
     },
     "model-00003-of-00003.safetensors: tensor \"norm.weight\": unknown field \"x\" ignored"},
};

INSTANTIATE_TEST_SUITE_P(Folder, WarnedFolderTest, ::testing::ValuesIn(kWarned),
                         [](const auto& row) { return std::string(row.param.name); });

using refusals::BadFolder;

class RefusedFolderTest : public ::testing::TestWithParam<BadFolder> {};

TEST_P(RefusedFolderTest, NamesFileAndCause) {
  const BadFolder& row = GetParam();
  ModelFolder folder;
  row.make(folder);
  const auto source = open_tensor_source(folder.path());
  EXPECT_THAT(source, Fails(row.code, row.part));
  if (source) return;
  EXPECT_TRUE(source.error().message().starts_with(folder.path())) << source.error().message();
}

INSTANTIATE_TEST_SUITE_P(Folder, RefusedFolderTest, ::testing::ValuesIn(refusals::bad_folders()),
                         [](const auto& row) { return std::string(row.param.what); });

TEST(MetadataFolderTest, RejectsMoreEntriesThanTheFormatHolds) {
  ModelFolder folder;
  for (int file = 1; file <= 2; ++file) {
    std::string header = R"({"__metadata__":{)";
    for (int i = 0; i < 40'000; ++i)
      header += fmt::format(R"({}"{}.{}":"")", i == 0 ? "" : ",", file, i);
    header += fmt::format(R"(}},"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}})", file);
    folder.write(fmt::format("model-0000{}-of-00002.safetensors", file),
                 testing::safetensors_file(header, 0));
  }
  EXPECT_THAT(open_tensor_source(folder.path()),
              Fails(ErrorCode::kLimit, "more than 65536 entries of metadata in all files"));
}

TEST_F(FolderTest, PacksTheLastTensorsOfAFileThatTheIndexDoesNotName) {
  folder_.shard("model-00003-of-00003.safetensors",
                {{"norm.weight", "nnnn"}, {"zero", "z"}, {"zero.too", "y"}});
  folder_.index["weight_map"].erase("zero");
  folder_.index["weight_map"].erase("zero.too");
  folder_.index.erase("metadata");
  folder_.write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  EXPECT_THAT(source->description().warnings,
              ElementsAre(HasSubstr("tensor \"zero\" of model-00003-of-00003.safetensors is not in "
                                    "model.safetensors.index.json (and 1 more)")));
  EXPECT_EQ(read_all(*source).at("zero"), "z");
}

TEST_F(FolderTest, LeavesOutFilesThatTheIndexDoesNotName) {
  folder_.index["weight_map"].erase("norm.weight");
  folder_.index["metadata"]["total_size"] = 600;
  folder_.write_index();
  ASSERT_OK_AND_ASSIGN(const auto source, open());
  EXPECT_THAT(source->description().warnings,
              ElementsAre(HasSubstr("model-00003-of-00003.safetensors is left out")));
  EXPECT_EQ(source->description().tensors.size(), 3U);
}

TEST_F(FolderTest, OpensAnIndexThatIsNamedWhateverElseIsThere) {
  folder_.write_index().write("model.safetensors", model_shard({{"w", "w"}}));
  EXPECT_THAT(open(), Fails(ErrorCode::kBadInput, "holds both"));
  ASSERT_OK_AND_ASSIGN(const auto source, open_index());
  EXPECT_EQ(read_all(*source), kSmallContents);
  EXPECT_THAT(source->description().warnings,
              ElementsAre(HasSubstr("model.safetensors is left out")));
}

// PyTorch files, whose tensors lie in storages.
TEST(TorchFolderTest, KeepsStoragesOfFilesApart) {
  ModelFolder folder;
  const auto shard = [](const char* a, const char* b) {
    testing::PickleBuilder pickle;
    pickle.empty_dict();
    for (const char* name : {a, b}) pickle.weight(name);
    return testing::checkpoint_zip(pickle.stop(), {"abcdefgh"}).build();
  };
  folder.write("pytorch_model-00001-of-00002.bin", shard("z", "y"))
      .write("pytorch_model-00002-of-00002.bin", shard("b", "a"));
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder.path()));
  const SourceDescription& description = source->description();
  EXPECT_EQ(description.format, "torch-zip");
  EXPECT_EQ(description.order, SourceOrder::kUse);
  ASSERT_EQ(description.tensors.size(), 4U);
  std::vector<std::pair<std::string, std::uint32_t>> storages;
  for (const SourceTensor& tensor : description.tensors)
    storages.emplace_back(tensor.name, tensor.storage->id);
  EXPECT_THAT(storages, ElementsAre(std::pair("z", 0U), std::pair("y", 0U), std::pair("b", 1U),
                                    std::pair("a", 1U)));
  EXPECT_THAT(read_all(*source), ::testing::SizeIs(4));
}

TEST(TorchFolderTest, RejectsDamageOfOneFile) {
  ModelFolder folder;
  std::string damaged = testing::small_zip().build();
  damaged[damaged.find("abcdefgh")] = 'X';
  folder.write("pytorch_model.bin", damaged);
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder.path()));
  EXPECT_THAT(read_tensor(*source, 0),
              Fails(ErrorCode::kIntegrity, folder.file("pytorch_model.bin")));
}

TEST(TorchFolderTest, RejectsPyTorchOfBefore16ByTheNameOfItsFile) {
  ModelFolder folder;
  folder.write("pytorch_model.bin",
               std::string("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15));
  EXPECT_THAT(open_tensor_source(folder.path()),
              Fails(ErrorCode::kBadInput, folder.file("pytorch_model.bin") + ": is a PyTorch"));
}

TEST(MetadataFolderTest, RejectsMoreThanItMayKeepInMemory) {
  ModelFolder folder;
  for (int file = 1; file <= 3; ++file) {
    testing::ModelTensors tensors;
    for (int i = 0; i < 1'000; ++i)
      tensors["file." + std::to_string(file) + ".tensor." + std::to_string(i)] = "x";
    folder.shard("model-0000" + std::to_string(file) + "-of-00003.safetensors", tensors);
  }
  const auto open = [&](std::uint64_t budget) {
    return open_tensor_source(folder.path(), {.metadata_budget = budget});
  };
  EXPECT_THAT(open(4 << 20), IsOk());
  EXPECT_THAT(open(1 << 20),
              Fails(ErrorCode::kLimit, folder.file("model-00002-of-00003.safetensors") +
                                           ": its metadata takes more than 1 MiB of memory"));
  folder.write_index();
  EXPECT_THAT(open(64 << 10), Fails(ErrorCode::kLimit, "its metadata takes more than"));
}

}  // namespace
}  // namespace wpack
