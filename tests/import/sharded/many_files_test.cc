// Folders of many files, which are open a few at a time, and change meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "import/sharded/read_source.h"
#include "support/model_folder.h"
#include "support/open_file_limit.h"
#include "support/result_matchers.h"

namespace wpack {
namespace {

namespace fs = std::filesystem;
using testing::Fails;
using testing::IsOk;
using testing::ModelFolder;
using testing::read_all;
using testing::read_attachment;

class ManyFilesTest : public ::testing::Test {
 protected:
  static constexpr int kCount = 40;
  static std::string file_name(int i) {
    std::string number = std::to_string(i);
    number.insert(0, 5 - number.size(), '0');
    return "model-" + number + "-of-00040.safetensors";
  }

  ManyFilesTest() {
    for (int i = 1; i <= kCount; ++i) {
      const std::string name = "layers." + std::to_string(i) + ".w";
      contents_[name] = std::string(10, static_cast<char>('0' + i));
      folder_.shard(file_name(i), {{name, contents_[name]}});
    }
    folder_.write_index().write("config.json", "{}");
  }

  static std::size_t open_files() {
    const fs::directory_iterator begin("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin, fs::directory_iterator()));
  }

  ModelFolder folder_;
  std::map<std::string, std::string> contents_;
};

TEST_F(ManyFilesTest, KeepsFewFilesOpen) {
  const std::size_t before = open_files();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  EXPECT_LE(open_files(), before + 9) << "eight files and the folder";
  std::byte out[10];
  for (const std::size_t step : {1U, 7U, 39U}) {
    for (std::size_t i = 0, at = 0; i < kCount; ++i, at = (at + step) % kCount) {
      ASSERT_THAT(source->read(at, 0, out), IsOk());
      EXPECT_EQ(static_cast<char>(out[9]),
                contents_.at(source->description().tensors[at].name).back());
    }
  }
  EXPECT_THAT(source->finish({}), IsOk());
  EXPECT_LE(open_files(), before + 9);
}

TEST_F(ManyFilesTest, ReadsThemWhereOnlyTwentyMayBeOpen) {
  const testing::OpenFileLimit few(open_files() + 12);
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  EXPECT_EQ(read_all(*source), contents_);
}

TEST_F(ManyFilesTest, NoticesFilesThatWereReplacedWhileTheyWereClosed) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  const std::string replaced = folder_.file(file_name(1));
  const std::string bytes = testing::read_file(replaced);
  fs::remove(replaced);
  folder_.write(file_name(1), bytes);
  std::byte out[10];
  EXPECT_THAT(source->read(0, 0, out),
              Fails(ErrorCode::kIo, "tensor \"layers.1.w\": " + replaced + ": changed while"));
  EXPECT_THAT(source->read(kCount - 1, 0, out), IsOk());
  EXPECT_THAT(source->finish({}), Fails(ErrorCode::kIo, "changed while it was read"));
}

TEST_F(ManyFilesTest, NoticesFilesThatVanished) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  fs::remove(folder_.file(file_name(2)));
  std::byte out[10];
  EXPECT_THAT(source->read(1, 0, out), Fails(ErrorCode::kIo, "No such file"));
}

TEST_F(ManyFilesTest, NoticesAttachmentsThatChanged) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  EXPECT_EQ(read_attachment(*source, 0), "{}");
  folder_.write("config.json", "{ }");
  EXPECT_THAT(source->finish({}),
              Fails(ErrorCode::kIo, folder_.file("config.json") + ": changed while it was read"));
  ASSERT_OK_AND_ASSIGN(const auto again, open_tensor_source(folder_.path()));
  folder_.write("config.json", "{}");
  std::byte out[1];
  EXPECT_THAT(again->read_attachment(0, 0, out), Fails(ErrorCode::kIo, "changed while"));
}

TEST_F(ManyFilesTest, NoticesFilesThatChangedAfterTheirLastRead) {
  ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(folder_.path()));
  std::ofstream(folder_.file(file_name(kCount)), std::ios::app) << "x";
  EXPECT_THAT(source->finish({}), Fails(ErrorCode::kIo, file_name(kCount) + ": changed while"));
}

}  // namespace
}  // namespace wpack
