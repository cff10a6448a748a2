// wpack bench. No test here asserts a time, or needs fio, PyTorch or the superuser.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "bench_cache.h"
#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;

class BenchCommandTest : public ::testing::Test {
 protected:
  // Three runs, with little memory to level and no wait.
  Arguments arguments(const Arguments& options) const {
    Arguments all = {"bench",          container_, "--runs",   "3",
                     "--fresh-memory", "64KiB",    "--settle", "0"};
    all.insert(all.end(), options.begin(), options.end());
    return all;
  }

  [[nodiscard]] Json bench(const Arguments& options) const {
    Arguments all = arguments(options);
    all.insert(all.end(), {"--json", "-"});
    return run_json(all);
  }

  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST_F(BenchCommandTest, MeasuresEveryContestantInEveryRound) {
  const Json json = bench({"--warm", "--against", "map-touch:" + container_});
  EXPECT_EQ(json["bytes"], 520);
  EXPECT_EQ(json["rounds"], 3);
  EXPECT_EQ(json["first_layer"], "model.layers.0");
  EXPECT_EQ(json["fresh_memory_bytes"], 64 << 10);
  EXPECT_EQ(json["settle_seconds"], 0);
  ASSERT_EQ(json["rows"].size(), 4U);  // two contestants, two ways of touching
  for (const Json& row : json["rows"]) {
    EXPECT_EQ(row["cache"], "warm");
    EXPECT_EQ(row["reason"], nullptr) << row.dump();
    EXPECT_EQ(row["runs"].size(), 3U);
    EXPECT_GT(row["seconds"]["median"], 0.0);
    EXPECT_LE(row["seconds"]["min"], row["seconds"]["max"]);
    EXPECT_EQ(row["runs"][0]["file_cache_bytes"], 0) << "it was not warm";
  }
  ASSERT_EQ(json["comparisons"].size(), 2U);
  EXPECT_EQ(json["comparisons"][0]["contestant"], "map-touch");
  EXPECT_EQ(json["comparisons"][0]["ratios"].size(), 3U);
  EXPECT_EQ(json["comparisons"][0]["verdict"], "too few runs");
}

// In the second of two rounds the other contestant runs first, and nobody reads its file again.
TEST_F(BenchCommandTest, DropsTheFilesOfAllContestantsBeforeAColdRun) {
  const std::string other = pack_file(directory_, "other", small_model());
  const Json json =
      run_json({"bench", container_, "--runs", "2", "--cold", "--touch", "pages", "--fresh-memory",
                "64KiB", "--settle", "0", "--against", "map-touch:" + other, "--json", "-"});
  for (const Json& row : json["rows"]) {
    if (!row["reason"].is_null()) GTEST_SKIP() << row["reason"];
  }
  const auto left = residency({other + "/00000.wps"});
  ASSERT_TRUE(left) << left.error().message();
  EXPECT_EQ(left->resident_bytes, 0U);
}

TEST_F(BenchCommandTest, SaysInEachRunWhatItTook) {
  const Json run = bench({"--warm", "--touch", "bytes"})["rows"][0]["runs"][0];
  for (const char* key :
       {"seconds", "first_tensor_seconds", "first_layer_seconds", "cpu_seconds",
        "machine_cpu_seconds", "process_seconds", "process_cpu_seconds", "bytes", "anonymous_bytes",
        "peak_rss_bytes", "file_cache_bytes", "system_cache_bytes", "word_sum"}) {
    EXPECT_TRUE(run[key].is_number()) << key;
  }
  EXPECT_EQ(run["import_seconds"], nullptr) << "it imports nothing";
  EXPECT_EQ(run["disk_bytes_per_second"], nullptr);
  EXPECT_LE(run["first_tensor_seconds"], run["first_layer_seconds"]);
  EXPECT_LE(run["first_layer_seconds"], run["seconds"]);
  EXPECT_LE(run["seconds"], run["process_seconds"]);
}

TEST_F(BenchCommandTest, SaysWhatABareMappingTook) {
  const Json json = bench({"--warm", "--touch", "pages", "--against", "map-touch:" + container_});
  const Json run = json["rows"][1]["runs"][0];
  EXPECT_TRUE(run["anonymous_bytes"].is_number());
  EXPECT_LT(run["anonymous_bytes"], 1 << 20) << "a mapping is no copy";
  EXPECT_EQ(run["first_tensor_seconds"], nullptr) << "it knows of no tensors";
}

TEST_F(BenchCommandTest, ShowsAColdRowOnlyWithItsProof) {
  const Json row = bench({"--cold", "--touch", "pages"})["rows"][0];
  EXPECT_EQ(row["cache"], "cold");
  if (row["reason"].is_null()) {
    EXPECT_EQ(row["runs"].size(), 3U);
    EXPECT_GT(row["runs"][0]["file_cache_bytes"], 0);
    EXPECT_GT(row["runs"][0]["first_touch_seconds_per_gigabyte"], 0.0);
  } else {
    EXPECT_EQ(row["runs"].size(), 0U);
    EXPECT_THAT(row["reason"].get<std::string>(), HasSubstr("page cache"));
  }
}

TEST_F(BenchCommandTest, TakesNoMemoryWhereNoneIsAskedFor) {
  const Json row = run_json({"bench", container_, "--runs", "1", "--cold", "--touch", "pages",
                             "--fresh-memory", "0", "--settle", "0", "--json", "-"})["rows"][0];
  if (!row["reason"].is_null()) GTEST_SKIP() << row["reason"];
  EXPECT_EQ(row["runs"][0]["first_touch_seconds_per_gigabyte"], nullptr);
}

// A file system in memory has nothing but the page cache, so that nothing can be dropped from it.
TEST(BenchCacheTest, RefusesAColdFigureWhereTheCacheStays) {
  if (!std::filesystem::is_directory("/dev/shm")) GTEST_SKIP() << "no /dev/shm";
  const TempDir directory("/dev/shm");
  const std::string container = pack_file(directory, "m", small_model());
  const Arguments arguments = {"bench", container,        "--runs", "1",        "--touch",
                               "pages", "--fresh-memory", "4KiB",   "--settle", "0"};
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("\nwpack, cold: not measured: the page cache could not be dropped: "));
  EXPECT_THAT(outcome.out, HasSubstr("\nwpack       warm "));
}

TEST_F(BenchCommandTest, MeasuresVariantsOfItsOwn) {
  const Json json = bench(
      {"--warm", "--touch", "bytes", "--verify", "full", "--access", "read", "--budget", "64KiB"});
  std::vector<std::string> names;
  for (const Json& row : json["rows"]) {
    names.push_back(row["contestant"]);
    EXPECT_EQ(row["reason"], nullptr);
  }
  EXPECT_THAT(names, ::testing::ElementsAre("wpack", "wpack --access read", "wpack --verify full",
                                            "wpack --budget 64KiB"));
  EXPECT_EQ(json["sums_agree"], true);
}

TEST_F(BenchCommandTest, GoesOnWithoutAContestantThatFails) {
  const Json json = bench({"--warm", "--touch", "pages", "--budget", "1KiB"});
  EXPECT_EQ(json["rows"][0]["reason"], nullptr);
  EXPECT_THAT(json["rows"][1]["reason"].get<std::string>(), HasSubstr("over the memory budget"));
}

TEST_F(BenchCommandTest, SkipsPythonContestantsWithoutAnInterpreter) {
  const std::string checkpoint = directory_.write("m.pth", "x");
  const Json json = bench({"--warm", "--touch", "pages", "--against", "torch:" + checkpoint,
                           "--python", directory_.file("python")});
  EXPECT_THAT(json["rows"][1]["reason"].get<std::string>(), EndsWith("No such file or directory"));
  EXPECT_EQ(json["comparisons"].size(), 0U);
}

TEST_F(BenchCommandTest, SkipsPythonContestantsWithoutTheirPackage) {
  if (std::system("python3 -c 'pass' 2>/dev/null") != 0) GTEST_SKIP() << "no python3";
  // An interpreter whose packages are hidden.
  const std::string python = directory_.write("python", "#!/bin/sh\nexec python3 -S \"$@\"\n");
  std::filesystem::permissions(python, std::filesystem::perms::owner_all);
  const std::string checkpoint = directory_.write("m.safetensors", small_model());
  const Json json = bench({"--warm", "--touch", "pages", "--against", "torch-mmap:" + checkpoint,
                           "--against", "safetensors-open:" + checkpoint, "--python", python});
  for (const std::size_t row : {1U, 2U}) {
    EXPECT_THAT(json["rows"][row]["reason"].get<std::string>(), HasSubstr("this Python has no "));
  }
}

TEST_F(BenchCommandTest, SaysWhyThereIsNoRateOfTheDisk) {
  const auto empty_path = [] { (void)::setenv("PATH", "/nowhere", 1); };
  Arguments all = arguments({"--warm", "--touch", "pages", "--against", "fio"});
  const Outcome outcome = run(all, empty_path);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\nno ratios to the disk: fio is not installed\n"));
}

TEST_F(BenchCommandTest, MeasuresTheDiskAroundEveryRun) {
  if (std::system("fio --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "fio is not installed";
  const std::string bytes = noise(3 << 20, 1);
  const std::string container =
      pack_file(directory_, "large", safetensors_file({{"x", "U8", {bytes.size()}, bytes}}));
  const Json json = run_json({"bench", container, "--runs", "2", "--warm", "--touch", "pages",
                              "--fresh-memory", "4KiB", "--against", "fio", "--json", "-"});
  if (!json["disk"]["reason"].is_null()) GTEST_SKIP() << json["disk"]["reason"];
  EXPECT_EQ(json["disk"]["bytes_per_second"].size(), 3U);
  EXPECT_GT(json["rows"][0]["disk_ratio"]["median"], 0.0);
}

TEST_F(BenchCommandTest, PrintsTablesAndDrawsBarsWhenAsked) {
  const Outcome plain =
      run(arguments({"--warm", "--touch", "pages", "--against", "map-touch:" + container_}));
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.err, "");
  EXPECT_THAT(plain.out, HasSubstr("first tensor"));
  EXPECT_THAT(plain.out, HasSubstr("95 % interval"));
  EXPECT_THAT(plain.out, Not(HasSubstr("##")));
  const Outcome bars = run(arguments({"--warm", "--touch", "pages", "--bars"}));
  EXPECT_THAT(bars.out, HasSubstr("warm, one byte of every page\nwpack "));
  EXPECT_THAT(bars.out, HasSubstr("##"));
  EXPECT_THAT(bars.out, Not(HasSubstr("\x1b")));
}

TEST_F(BenchCommandTest, WritesJsonAndSvgFiles) {
  const std::string json = directory_.write("result.json", std::string(100'000, 'x'));
  const std::string svg = directory_.file("result.svg");
  const Outcome outcome =
      run(arguments({"--warm", "--touch", "pages", "--json", json, "--svg", svg}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(Json::parse(testing::read_file(json), nullptr, false).value("schema", 0), 1);
  EXPECT_THAT(testing::read_file(svg), EndsWith("</svg>\n"));
  EXPECT_THAT(outcome.out, HasSubstr("wpack"));
}

TEST_F(BenchCommandTest, RefusesAResultFileBeforeItMeasures) {
  const Outcome outcome = run(arguments({"--svg", directory_.file("none/x.svg")}));
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, EndsWith("none/x.svg: No such file or directory\n"));
}

TEST_F(BenchCommandTest, RefusesWhatIsMissing) {
  EXPECT_EQ(run({"bench", directory_.file("none.wpack")}).status, 5);
  const Outcome outcome = run(arguments({"--against", "torch:" + directory_.file("none.pth")}));
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, EndsWith("none.pth: No such file or directory\n"));
  EXPECT_EQ(run(arguments({"--first-layer", "none"})).status, 2);
}

TEST_F(BenchCommandTest, LoadsTheLayerThatIsNamedFirst) {
  const Json json = bench({"--warm", "--touch", "pages", "--first-layer", "model.layers.1"});
  EXPECT_EQ(json["first_layer"], "model.layers.1");
  EXPECT_THAT(json["contestants"][0]["command"].dump(), HasSubstr("\"model.layers.1\""));
}

}  // namespace
}  // namespace wpack::cli
