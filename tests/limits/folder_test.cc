// Folders of many files where few may be open, and of attachments that should not fill the memory.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/sources.h"
#include "limits/restrictions.h"
#include "support/model_folder.h"

namespace wpack::limits {
namespace {

namespace fs = std::filesystem;
using cli::Json;
using cli::Outcome;
using testing::ModelFolder;
using testing::TempDir;

TEST(FolderLimitsTest, AThousandFilesComeBackWhereThirtyTwoMayBeOpen) {
  ModelFolder folder;
  for (int i = 1; i <= 1'000; ++i) {
    std::string number = std::to_string(i);
    number.insert(0, 5 - number.size(), '0');
    const std::string layer = "model.layers." + std::to_string(i);
    folder.shard("model-" + number + "-of-01000.safetensors",
                 {{layer + ".up", cli::noise(64, static_cast<std::uint32_t>(i))},
                  {layer + ".down", cli::noise(32, static_cast<std::uint32_t>(-i))}});
  }
  folder.write_index().write("config.json", "{}");
  const TempDir directory;
  const std::string container = directory.file("m.wpack");
  const std::string back = directory.file("back/");
  const Outcome packed = cli::run({"pack", folder.path(), "-o", container, "-q"}, open_files(32));
  ASSERT_EQ(packed.status, 0) << packed.err;
  const Outcome unpacked = cli::run({"unpack", container, "-o", back, "-q"}, open_files(32));
  ASSERT_EQ(unpacked.status, 0) << unpacked.err;
  EXPECT_TRUE(cli::tree(back) == cli::tree(folder.path()));
}

TEST(FolderLimitsTest, AttachmentsAreNotHeldInMemory) {
  constexpr std::uint64_t kSize = std::uint64_t{64} << 20;
  ModelFolder folder;
  folder.write("model.safetensors", testing::model_shard({{"w", "ww"}}));
  for (const char* name : {"tokenizer.json", "vocab.json"}) {
    folder.write(name, name);
    fs::resize_file(folder.file(name), kSize);
  }
  const TempDir directory;
  const std::string container = directory.file("m.wpack");
  const std::string back = directory.file("back/");
  const Json packed = cli::run_json({"pack", folder.path(), "-o", container, "--json"});
  EXPECT_LT(packed["peak_rss_bytes"], kSize);
  const Json unpacked = cli::run_json({"unpack", container, "-o", back, "--json"});
  EXPECT_LT(unpacked["peak_rss_bytes"], kSize / 2);
  EXPECT_EQ(fs::file_size(back + "vocab.json"), kSize);
  EXPECT_TRUE(testing::read_file(back + "tokenizer.json") ==
              testing::read_file(folder.file("tokenizer.json")));
}

}  // namespace
}  // namespace wpack::limits
