// unpack_folder(): from folders to containers and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>
#include <map>
#include <set>

#include "support/container_builder.h"
#include "support/model_folder.h"
#include "support/paths.h"
#include "support/result_matchers.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"
#include "wpack/unpack.h"

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
using testing::TempDir;
using ::testing::UnorderedElementsAre;

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder))
    files[entry.path().filename()] = testing::read_file(entry.path());
  return files;
}

// Packs what is at `from`, and opens it.
Result<Container> pack_and_open(const std::string& from, const std::string& to,
                                const PackOptions& options = {}) {
  WPACK_ASSIGN(const auto source, open_tensor_source(from));
  WPACK_TRY(pack(*source, to, options));
  return Container::open(to);
}

class FixtureFolderTest : public ::testing::TestWithParam<std::string> {
 protected:
  const fs::path from_ = testing::test_data() / "hugging_face" / GetParam();
  const TempDir directory_;
};

class SafetensorsFolderTest : public FixtureFolderTest {};

TEST_P(SafetensorsFolderTest, ComesBackByteForByteAndPacksToTheSameContainer) {
  ASSERT_OK_AND_ASSIGN(const Container container,
                       pack_and_open(from_.string(), directory_.file("m.wpack")));
  const std::string back = directory_.file("back");
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back + "/"));
  EXPECT_EQ(files_of(back), files_of(from_));
  EXPECT_EQ(report.files.size(), files_of(from_).size());
  EXPECT_EQ(report.left_out, std::vector<std::string>());
  std::uint64_t size = 0;
  for (const auto& [name, bytes] : files_of(back)) size += bytes.size();
  EXPECT_EQ(report.file_bytes, size);
  ASSERT_THAT(pack_and_open(back, directory_.file("again.wpack")), IsOk());
  EXPECT_EQ(files_of(directory_.file("again.wpack")), files_of(directory_.file("m.wpack")));
}

INSTANTIATE_TEST_SUITE_P(Transformers, SafetensorsFolderTest,
                         ::testing::Values("safetensors_single", "safetensors_sharded",
                                           "safetensors_variant"),
                         [](const auto& row) { return row.param; });

class TorchFolderTest : public FixtureFolderTest {};

TEST_P(TorchFolderTest, ComesBackWithItsSplitItsTiesAndItsAttachments) {
  ASSERT_OK_AND_ASSIGN(const Container container,
                       pack_and_open(from_.string(), directory_.file("m.wpack")));
  const std::string back = directory_.file("back");
  ASSERT_THAT(unpack_folder(container, back), IsOk());
  const auto before = files_of(from_);
  const auto after = files_of(back);
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [name, bytes] : before) {
    ASSERT_TRUE(after.contains(name)) << name;
    if (name.ends_with(".bin")) continue;
    EXPECT_EQ(after.at(name), bytes) << name;
  }
  ASSERT_OK_AND_ASSIGN(const Container again, pack_and_open(back, directory_.file("again.wpack")));
  EXPECT_EQ(again.info().alias_count, container.info().alias_count);
  ASSERT_EQ(again.tensor_count(), container.tensor_count());
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
    ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor(id));
    ASSERT_OK_AND_ASSIGN(const Tensor other, again.tensor(tensor.name()));
    EXPECT_EQ(other.dtype(), tensor.dtype());
    EXPECT_TRUE(std::ranges::equal(other.shape(), tensor.shape()));
    EXPECT_TRUE(std::ranges::equal(other.bytes(), tensor.bytes())) << tensor.name();
  }
}

INSTANTIATE_TEST_SUITE_P(Transformers, TorchFolderTest,
                         ::testing::Values("torch_single", "torch_sharded", "torch_variant"),
                         [](const auto& row) { return row.param; });

// A folder of three files, packed.
class UnpackFolderTest : public ::testing::Test {
 protected:
  UnpackFolderTest() {
    testing::add_small_shards(folder_);
    folder_.write_index().write("config.json", "{}");
  }
  [[nodiscard]] Result<Container> packed(const PackOptions& options = {}) {
    return pack_and_open(folder_.path(), directory_.file("m.wpack"), options);
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& [name, bytes] : files_of(back_)) names.insert(name);
    return names;
  }
  // Nothing but the container is there.
  void expect_nothing_written() const {
    for (const auto& entry : fs::directory_iterator(directory_.path()))
      EXPECT_EQ(entry.path().filename(), "m.wpack");
  }

  ModelFolder folder_;
  const TempDir directory_;
  const std::string back_ = directory_.file("back");
};

TEST_F(UnpackFolderTest, WritesTheOtherFormatInOneFileWithoutTheIndex) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  ASSERT_OK_AND_ASSIGN(const UnpackReport report,
                       unpack_folder(container, back_, {.format = UnpackFormat::kTorch}));
  EXPECT_THAT(report.files, ElementsAre("pytorch_model.bin", "config.json"));
  EXPECT_THAT(names(), ElementsAre("config.json", "pytorch_model.bin"));
  EXPECT_THAT(report.left_out, ElementsAre("model.safetensors.index.json: it names "
                                           "model-00001-of-00003.safetensors, not .bin files"));
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(back_));
  EXPECT_EQ(source->description().format, "torch-zip");
  EXPECT_EQ(source->description().tensors.size(), 4U);
}

TEST_F(UnpackFolderTest, WritesOneFileWhereTensorsOfTheIndexWereLeftOut) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed({.exclude = {"norm.*"}}));
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_));
  EXPECT_THAT(names(), ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(report.left_out,
              ElementsAre(HasSubstr("it names tensor \"norm.weight\", which is not")));
  EXPECT_THAT(open_tensor_source(back_), IsOk());
}

TEST_F(UnpackFolderTest, WritesOneFileWhereTheIndexDoesNotNameEveryTensor) {
  folder_.index["weight_map"].erase("layers.0.up");
  folder_.write_index();
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_));
  EXPECT_THAT(names(), ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(report.left_out, ElementsAre(HasSubstr("it names 3 of the 4 tensors")));
}

TEST_F(UnpackFolderTest, WritesSetsWithoutAnIndexAsOneFile) {
  fs::remove(folder_.file(kIndexName));
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_));
  EXPECT_THAT(report.left_out, ElementsAre());
  EXPECT_THAT(names(), ElementsAre("config.json", "model.safetensors"));
}

TEST(UnpackSingleFileTest, KeepsTheNameOfTheFileThatItWasPackedFrom) {
  const std::map<std::string, std::string> names = {
      {"model.fp16.safetensors", "model.fp16.safetensors"},
      {"consolidated.safetensors", "consolidated.safetensors"},
      {"weights", "model.safetensors"}};
  for (const auto& [from, expected] : names) {
    ModelFolder folder;
    folder.write(from, model_shard({{"w", "ww"}}));
    const TempDir directory;
    ASSERT_OK_AND_ASSIGN(const Container container,
                         pack_and_open(folder.file(from), directory.file("m.wpack")));
    ASSERT_OK_AND_ASSIGN(const UnpackReport report,
                         unpack_folder(container, directory.file("back")));
    EXPECT_THAT(report.files, ElementsAre(expected));
    EXPECT_EQ(testing::read_file(directory.file("back") + "/" + expected),
              testing::read_file(folder.file(from)));
  }
}

TEST_F(UnpackFolderTest, ReportsProgressUpToTheLastByte) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  std::vector<Progress> reports;
  const UnpackOptions options{.progress = [&](const Progress& progress) {
    reports.push_back(progress);
    return true;
  }};
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_, options));
  EXPECT_TRUE(std::ranges::is_sorted(reports, {}, &Progress::done_bytes));
  EXPECT_EQ(reports.back().done_bytes, report.tensor_bytes);
  EXPECT_EQ(reports.back().total_bytes, report.tensor_bytes);
  EXPECT_EQ(report.tensor_bytes, 604U);
}

TEST_F(UnpackFolderTest, LeavesNothingBehindWhereverItIsCancelled) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  int total = 0;
  const UnpackOptions count{.progress = [&](const Progress&) { return ++total > 0; }};
  ASSERT_THAT(unpack_folder(container, back_, count), IsOk());
  fs::remove_all(back_);
  for (int stop = 1; stop <= total; ++stop) {
    int calls = 0;
    const UnpackOptions options{.progress = [&](const Progress&) { return ++calls < stop; }};
    EXPECT_THAT(unpack_folder(container, back_, options),
                Fails(ErrorCode::kCancelled, "back: cancelled"));
    expect_nothing_written();
  }
}

TEST_F(UnpackFolderTest, RejectsTargetsThatExistAndIsNotForced) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  fs::create_directory(back_);
  EXPECT_THAT(unpack_folder(container, back_), Fails(ErrorCode::kIo, "back: already exists"));
  EXPECT_THAT(unpack_folder(container, back_, {.replace = true}),
              Fails(ErrorCode::kInvalidArgument, "back: a folder is not replaced"));
  EXPECT_TRUE(fs::is_empty(back_));
  EXPECT_THAT(unpack_folder(container, directory_.file("none/back")),
              Fails(ErrorCode::kIo, "No such file"));
}

TEST_F(UnpackFolderTest, ReportsAFileSizeLimitAndLeavesNothingBehind) {
  ASSERT_OK_AND_ASSIGN(const Container container, packed());
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit small = {400, old_limit.rlim_max};
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto result = unpack_folder(container, back_);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  (void)std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(result, Fails(ErrorCode::kLimit, "back/model-00001-of-00003.safetensors: "));
  expect_nothing_written();
}

TEST_F(UnpackFolderTest, ReportsDamageWhateverTheContainersPolicy) {
  ASSERT_THAT(packed(), IsOk());
  ASSERT_OK_AND_ASSIGN(
      const Container container,
      Container::open(directory_.file("m.wpack"), {.verify = VerifyPolicy::kIndex}));
  const std::string shard = directory_.file("m.wpack/00000.wps");
  const std::string bytes = testing::read_file(shard);
  const TensorInfo tensor = container.find("norm.weight").value();
  testing::flip_byte(shard, tensor.offset);
  EXPECT_THAT(unpack_folder(container, back_),
              Fails(ErrorCode::kIntegrity, "norm.weight' is damaged"));
  testing::flip_byte(shard, tensor.offset);
  testing::flip_byte(shard, bytes.rfind("{}"));
  EXPECT_THAT(unpack_folder(container, back_),
              Fails(ErrorCode::kIntegrity, "attachment 'config.json' is damaged"));
  expect_nothing_written();
}

TEST_F(UnpackFolderTest, RejectsElementTypesBeforeItWritesAnything) {
  const std::string from = testing::test_data() / "safetensors" / "dtypes.safetensors";
  ASSERT_OK_AND_ASSIGN(const Container container, pack_and_open(from, directory_.file("m.wpack")));
  EXPECT_THAT(unpack_folder(container, back_, {.format = UnpackFormat::kTorch}),
              Fails(ErrorCode::kBadInput,
                    "back/pytorch_model.bin: tensor \"t.float4_e2m1fn_x2\": a PyTorch checkpoint "
                    "cannot hold element type F4"));
  expect_nothing_written();
}

// Containers of strangers, whose attachments say anything.
class HostileAttachmentTest : public ::testing::Test {
 protected:
  // A container of the tensors a and b with these attachments, which ascend by name.
  [[nodiscard]] Result<Container> build(const std::map<std::string, std::string>& attachments) {
    testing::ContainerBuilder builder;
    builder.contents().source_format = "safetensors";
    builder.layer("l").tensor("a", testing::pattern_bytes(10, 1));
    builder.tensor("b", testing::pattern_bytes(10, 2));
    for (const auto& [name, text] : attachments) {
      const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
      builder.attachment(name, {bytes, bytes + text.size()});
    }
    return Container::open(builder.build(directory_.path() / "m.wpack"));
  }
  static std::string index(const std::string& a, const std::string& b) {
    return R"({"weight_map":{"a":")" + a + R"(","b":")" + b + "\"}}";
  }

  const TempDir directory_;
  const std::string back_ = directory_.file("back");
};

TEST_F(HostileAttachmentTest, IndexesThatDoNotFitAreLeftOut) {
  const std::map<std::string, std::string> indexes = {
      {"no json", "it is not valid JSON"},
      {index("../a.safetensors", "b.safetensors"), "is not a plain name"},
      {index("/tmp/a.safetensors", "b.safetensors"), "is not a plain name"},
      {index("a.safetensors", ".b.safetensors"), "is not a plain name"},
      {index("a.safetensors", "evil.sh"), "it names evil.sh, not .safetensors files"},
      {R"({"weight_map":{"a":"f.safetensors","c":"f.safetensors"}})",
       "which is not in the container"},
      {R"({"weight_map":{"a":"f.safetensors"}})", "it names 1 of the 2 tensors"},
      {std::string(100'000, '['), "it must be an object"}};
  for (const auto& [text, reason] : indexes) {
    SCOPED_TRACE(reason);
    ASSERT_OK_AND_ASSIGN(const Container container, build({{std::string(kIndexName), text}}));
    ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_));
    EXPECT_THAT(report.left_out, ElementsAre(HasSubstr(reason)));
    EXPECT_THAT(report.files, ElementsAre("model.safetensors"));
    EXPECT_EQ(files_of(back_).size(), 1U);
    fs::remove_all(back_);
  }
}

TEST_F(HostileAttachmentTest, OnlyOneIndexSplitsTheTensors) {
  const std::string text = index("a.safetensors", "b.safetensors");
  ASSERT_OK_AND_ASSIGN(
      const Container container,
      build({{"model.safetensors.index.fp16.json", text}, {std::string(kIndexName), text}}));
  ASSERT_OK_AND_ASSIGN(const UnpackReport report, unpack_folder(container, back_));
  EXPECT_THAT(report.left_out, ElementsAre(HasSubstr("another index splits the tensors already")));
  EXPECT_THAT(report.files, UnorderedElementsAre("a.safetensors", "b.safetensors",
                                                 "model.safetensors.index.fp16.json"));
}

TEST_F(HostileAttachmentTest, NamesOfWeightsAreRejected) {
  ASSERT_OK_AND_ASSIGN(const Container single, build({{"model.safetensors", "x"}}));
  EXPECT_THAT(unpack_folder(single, back_),
              Fails(ErrorCode::kBadInput,
                    "back: attachment 'model.safetensors' has the name of a file of weights"));
  fs::remove_all(directory_.path() / "m.wpack");
  ASSERT_OK_AND_ASSIGN(const Container split,
                       build({{"a.safetensors", "x"},
                              {std::string(kIndexName), index("a.safetensors", "b.safetensors")}}));
  EXPECT_THAT(unpack_folder(split, back_), Fails(ErrorCode::kBadInput, "'a.safetensors' has the"));
  EXPECT_FALSE(fs::exists(back_));
}

TEST(UnpackTest, LeavesAttachmentsOutOfASingleFile) {
  ModelFolder folder;
  folder.write("model.safetensors", model_shard({{"w", "ww"}})).write("config.json", "{}");
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const Container container,
                       pack_and_open(folder.path(), directory.file("m.wpack")));
  ASSERT_OK_AND_ASSIGN(const UnpackReport report,
                       unpack(container, directory.file("back.safetensors")));
  EXPECT_THAT(report.left_out, ElementsAre("config.json"));
}

}  // namespace
}  // namespace wpack
