// Real files from real writers, through every command: packed, verified, listed, loaded, unpacked,
// and packed again with the same result.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "sources.h"
#include "support/paths.h"

namespace wpack::cli {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

// The files in `folder` of the test data that end in one of `extensions`, sorted.
std::vector<std::string> fixtures(const char* folder, const std::set<std::string>& extensions) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(testing::test_data() / folder)) {
    if (extensions.contains(entry.path().extension())) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What ls says of every tensor, but for where it lies.
Json tensors_of(const std::string& container) {
  Json tensors = run_json({"ls", container, "--json"})["tensors"];
  for (Json& tensor : tensors) {
    for (const char* place : {"layer", "shard", "offset"}) tensor.erase(place);
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const Json& a, const Json& b) { return a["name"] < b["name"]; });
  return tensors;
}

// Packs what `path` holds, uses the container, and returns its tensors; null if the
// importer refuses it, which is for its own tests to judge.
Json use(const TempDir& directory, const std::string& path, const std::string& extension) {
  SCOPED_TRACE(path);
  const std::string container = directory.file("m.wpack");
  const Outcome packed = run({"pack", path, "-o", container, "-q", "--force"});
  if (packed.status == 3 || packed.status == 6) {
    EXPECT_EQ(packed.err.rfind("wpack: error: " + path + ": ", 0), 0U) << packed.err;
    return nullptr;
  }
  EXPECT_EQ(packed.status, 0) << packed.err;
  EXPECT_EQ(run_json({"verify", container, "--json"})["sound"], true);
  const Json mapped = run_json({"load", container, "--json", "--verify", "full"});
  const Json read = run_json({"load", container, "--json", "--access", "read"});
  EXPECT_EQ(mapped["bytes"], read["bytes"]);
  const std::string back = directory.file("back" + extension);
  const Outcome unpacked = run({"unpack", container, "-o", back, "-q", "--force"});
  EXPECT_EQ(unpacked.status, 0) << unpacked.err;
  const Outcome again = run({"pack", back, "-o", directory.file("again.wpack"), "-q", "--force"});
  EXPECT_EQ(again.status, 0) << again.err;
  Json tensors = tensors_of(container);
  EXPECT_EQ(tensors_of(directory.file("again.wpack")), tensors);
  return tensors;
}

TEST(FixtureTest, SurvivesEveryCommandWithEverySafetensorsFile) {
  const TempDir directory;
  int used = 0;
  for (const std::string& path : fixtures("safetensors", {".safetensors"})) {
    used += use(directory, path, ".safetensors").is_null() ? 0 : 1;
  }
  EXPECT_GE(used, 5);
}

TEST(FixtureTest, SurvivesEveryCommandWithEveryCheckpoint) {
  if (!fs::exists(testing::test_data() / "torch")) GTEST_SKIP() << "no checkpoints here";
  const TempDir directory;
  int used = 0;
  std::uint64_t tied = 0;
  for (const std::string& path : fixtures("torch", {".pt", ".pth", ".bin"})) {
    const Json tensors = use(directory, path, ".pth");
    used += tensors.is_null() ? 0 : 1;
    for (const Json& tensor : tensors) tied += tensor["alias_of"].is_null() ? 0 : 1;
  }
  EXPECT_GE(used, 5);
  EXPECT_GE(tied, 1U) << "ties are lost";
}

}  // namespace
}  // namespace wpack::cli
