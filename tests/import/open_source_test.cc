#include <gtest/gtest.h>

#include "support/checkpoint_builder.h"
#include "support/result_matchers.h"
#include "support/safetensors_bytes.h"
#include "support/temp_dir.h"
#include "wpack/tensor_source.h"

namespace wpack {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

TEST(OpenTensorSourceTest, ReadsSafetensorsUnderAnyName) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(directory.write(
                                              "model.bin", testing::safetensors_file("{}", 0))));
  EXPECT_EQ(source->description().format, "safetensors");
}

TEST(OpenTensorSourceTest, ReadsThroughSymbolicLinks) {
  const TempDir directory;
  (void)directory.write("blob", testing::safetensors_file("{}", 0));
  std::filesystem::create_symlink("blob", directory.path() / "model.safetensors");
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(directory.file("model.safetensors")));
  EXPECT_EQ(source->description().files.at(0).name, "model.safetensors");
}

std::string source_name(const std::string& path) {
  const auto source = open_tensor_source(path);
  return source ? (*source)->description().files.at(0).name : source.error().message();
}

TEST(OpenTensorSourceTest, NamesSourcesAsTheirFilesWhateverThePath) {
  const TempDir directory;
  std::string folder;
  for (int i = 0; i < 6; ++i) folder += std::string(200, 'd') + "/";
  std::filesystem::create_directories(directory.path() / folder);
  const std::string contents = testing::safetensors_file("{}", 0);
  const std::string torch = testing::small_zip().build();
  for (const std::string name : {"a\\b", "line\nfeed", "\u00FC", "\u202Eleft"}) {
    EXPECT_EQ(source_name(directory.write(name, contents)), name);
    EXPECT_EQ(source_name(directory.write(folder + name, contents)), name);
    EXPECT_EQ(source_name(directory.write(folder + name, torch)), name);
  }
}

TEST(OpenTensorSourceTest, ReplacesBytesOfNamesThatAreNotUtf8) {
  const TempDir directory;
  const std::string contents = testing::safetensors_file("{}", 0);
  EXPECT_EQ(source_name(directory.write("a\xFF\xC3"
                                        "b",
                                        contents)),
            "a\uFFFD\uFFFD"
            "b");
  EXPECT_EQ(source_name(directory.write("\xE2\x82", contents)), "\uFFFD\uFFFD");
}

TEST(OpenTensorSourceTest, RejectsForeignFilesInOneSentenceThatNamesTheFile) {
  const TempDir directory;
  const std::string path = directory.write("x.pth", "GGUF" + std::string(100, '\x02'));
  EXPECT_THAT(open_tensor_source(path), Fails(ErrorCode::kBadInput, path + ": is a GGML"));
}

TEST(OpenTensorSourceTest, RejectsEmptyAndMissingFiles) {
  const TempDir directory;
  EXPECT_THAT(open_tensor_source(directory.write("x", "")),
              Fails(ErrorCode::kBadInput, "is empty"));
  EXPECT_THAT(open_tensor_source(directory.file("missing")),
              Fails(ErrorCode::kIo, "No such file or directory"));
}

struct ForeignDirectory {
  const char* landmark;
  const char* part;
};

TEST(OpenTensorSourceTest, RejectsDirectoriesByWhatTheyHold) {
  for (const auto& [landmark, part] :
       std::vector<ForeignDirectory>{{"index.wpi", "is a wpack container"},
                                     {".metadata", "distributed checkpoint (DCP)"},
                                     {"saved_model.pb", "TensorFlow SavedModel"},
                                     {"model_index.json", "folder of a Diffusers pipeline"},
                                     {"snapshots", "entry of a Hugging Face cache"},
                                     {"config.json", "is a folder without weights"},
                                     {"other", "is a folder without weights"}}) {
    const TempDir directory;
    (void)directory.write(landmark, "x");
    EXPECT_THAT(open_tensor_source(directory.path().string()), Fails(ErrorCode::kBadInput, part));
  }
}

TEST(OpenTensorSourceTest, FindsLandmarksThatAreLinks) {
  const TempDir directory;
  std::filesystem::create_symlink("/nonexistent", directory.path() / "index.wpi");
  EXPECT_THAT(open_tensor_source(directory.path().string()),
              Fails(ErrorCode::kBadInput, "is a wpack container"));
}

}  // namespace
}  // namespace wpack
