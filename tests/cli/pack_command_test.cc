// wpack pack and wpack unpack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::read_file;
using testing::TempDir;

class PackCommandTest : public ::testing::Test {
 protected:
  TempDir directory_;
  std::string source_ = directory_.write("m.safetensors", small_model());
  std::string target_ = directory_.file("m.wpack");
};

TEST_F(PackCommandTest, WritesASummary) {
  const Outcome outcome = run({"pack", source_, "-o", target_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, MatchesRegex(".*/m\\.wpack: 5 tensors \\(0 tied\\), 3 layers, 1 shard, "
                                        ".* kB\nread 520 B in .*, peak RSS .*\n"));
}

TEST_F(PackCommandTest, WritesASummaryAsJson) {
  const Outcome outcome = run({"pack", source_, "-o", target_, "--json"});
  EXPECT_EQ(outcome.status, 0);
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["path"], target_);
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(json["payload_bytes"], 520);
  EXPECT_EQ(json["uuid"], run_json({"inspect", target_, "--json"})["uuid"]);
}

TEST_F(PackCommandTest, WritesTheSameBytesTwice) {
  EXPECT_EQ(run({"pack", source_, "-o", target_}).status, 0);
  EXPECT_EQ(run({"pack", source_, "-o", directory_.file("again.wpack")}).status, 0);
  EXPECT_EQ(tree(target_), tree(directory_.file("again.wpack")));
}

TEST_F(PackCommandTest, GivesTheSourceBackByteForByte) {
  EXPECT_EQ(run({"pack", source_, "-o", target_}).status, 0);
  const std::string back = directory_.file("back.safetensors");
  const Outcome outcome = run({"unpack", target_, "-o", back});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, MatchesRegex(".*/back\\.safetensors: 5 tensors, .* in .*\n"));
  EXPECT_EQ(run({"pack", back, "-o", directory_.file("again.wpack")}).status, 0);
  const auto tensors = [&](const std::string& container) {
    return run_json({"ls", container, "--json"});
  };
  EXPECT_EQ(tensors(directory_.file("again.wpack")), tensors(target_));
  EXPECT_EQ(read_file(directory_.file("again.wpack/00000.wps")).substr(4096),
            read_file(target_ + "/00000.wps").substr(4096));
}

TEST_F(PackCommandTest, UnpacksAsAPyTorchCheckpointThatPacksAgain) {
  EXPECT_EQ(run({"pack", source_, "-o", target_}).status, 0);
  const std::string back = directory_.file("back.pth");
  const Outcome outcome = run({"unpack", target_, "-o", back, "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(Json::parse(outcome.out)["tensor_count"], 5);
  EXPECT_EQ(run({"pack", back, "-o", directory_.file("again.wpack")}).status, 0);
  EXPECT_EQ(run({"verify", directory_.file("again.wpack")}).status, 0);
}

TEST_F(PackCommandTest, DryRunShowsThePlanAndWritesNothing) {
  const auto before = tree(directory_.path());
  const Outcome outcome = run({"pack", source_, "--dry-run", "--verbose"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\nmodel.layers.0 "));
  EXPECT_THAT(outcome.out, HasSubstr("\n  model.layers.0.mlp.up_proj.weight "));
  EXPECT_THAT(outcome.out, HasSubstr("estimated"));
  const Json json = run_json({"pack", source_, "--dry-run", "--json"});
  EXPECT_EQ(json["layers"][0]["name"], "model.embed_tokens");
  EXPECT_EQ(json["layers"][0]["tensors"][0]["name"], "model.embed_tokens.weight");
  EXPECT_EQ(tree(directory_.path()), before);
}

TEST_F(PackCommandTest, LeavesOutWhatItIsTold) {
  const Outcome outcome = run({"pack", source_, "-o", target_, "--include", "*.mlp.*", "--include",
                               "nothing*", "--exclude", "*.empty", "--exclude", "*.scale"});
  EXPECT_EQ(outcome.status, 2) << "a pattern that matches nothing is a mistake";
  const Outcome packed = run({"pack", source_, "-o", target_, "--include", "*.mlp.*", "--exclude",
                              "*.empty", "--exclude", "*.scale"});
  EXPECT_EQ(packed.status, 0) << packed.err;
  EXPECT_THAT(packed.out, HasSubstr("left out: 3 tensors"));
  EXPECT_EQ(run_json({"ls", target_, "--json"})["tensors"].size(), 2U);
}

TEST_F(PackCommandTest, FindsLayersByPattern) {
  EXPECT_EQ(run({"pack", source_, "-o", target_, "--layer-pattern", "model"}).status, 0);
  const Json json = run_json({"ls", target_, "--layers", "--json"});
  ASSERT_EQ(json["layers"].size(), 1U);
  EXPECT_EQ(json["layers"][0]["name"], "model");
}

TEST_F(PackCommandTest, StartsANewShardWhereTheSizeSaysSo) {
  const std::string source =
      directory_.write("big.safetensors",
                       safetensors_file({{"model.layers.0.w", "U8", {60'000}, noise(60'000, 1)},
                                         {"model.layers.1.w", "U8", {60'000}, noise(60'000, 2)}}));
  EXPECT_EQ(run({"pack", source, "-o", target_, "--shard-size", "64KiB"}).status, 0);
  const Json json = run_json({"inspect", target_, "--json"});
  EXPECT_EQ(json["shard_count"], 2);
  EXPECT_EQ(run({"verify", target_}).status, 0);
}

TEST_F(PackCommandTest, TakesAsMuchMemoryForMetadataAsItIsTold) {
  const Outcome outcome = run({"pack", source_, "-o", target_, "--max-metadata", "1KiB"});
  EXPECT_EQ(outcome.status, 6);
  EXPECT_THAT(outcome.err, HasSubstr("metadata takes more than"));
  EXPECT_EQ(run({"pack", source_, "-o", target_, "--max-metadata", "64KiB"}).status, 0);
}

TEST_F(PackCommandTest, ReplacesAContainerOnlyWhenForced) {
  EXPECT_EQ(run({"pack", source_, "-o", target_}).status, 0);
  const auto before = tree(target_);
  const std::string other =
      directory_.write("other.safetensors", safetensors_file({{"x", "U8", {1}, "x"}}));
  EXPECT_EQ(run({"pack", other, "-o", target_}).status, 5);
  EXPECT_EQ(tree(target_), before);
  EXPECT_EQ(run({"pack", other, "-o", target_, "--force"}).status, 0);
  EXPECT_EQ(run_json({"ls", target_, "--json"})["tensors"].size(), 1U);
}

TEST_F(PackCommandTest, ReplacesAnUnpackedFileOnlyWhenForced) {
  EXPECT_EQ(run({"pack", source_, "-o", target_}).status, 0);
  const std::string back = directory_.write("back.safetensors", "precious");
  EXPECT_EQ(run({"unpack", target_, "-o", back}).status, 5);
  EXPECT_EQ(read_file(back), "precious");
  EXPECT_EQ(run({"unpack", target_, "-o", back, "--force"}).status, 0);
  EXPECT_GT(read_file(back).size(), 520U);
}

TEST_F(PackCommandTest, LeavesNothingBehindWhenTheDiskIsFull) {
  const std::string source = directory_.write(
      "big.safetensors", safetensors_file({{"w", "U8", {1 << 20}, noise(1 << 20, 1)}}));
  const auto before = tree(directory_.path());
  const auto limit_file_size = [] {
    const rlimit limit{.rlim_cur = 256 << 10, .rlim_max = 256 << 10};
    (void)::setrlimit(RLIMIT_FSIZE, &limit);
    (void)::setenv("LLVM_PROFILE_FILE", "/dev/null", 1);  // counts of coverage are a file as well
  };
  const Outcome outcome = run({"pack", source, "-o", target_}, limit_file_size);
  EXPECT_EQ(outcome.status, 6) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(tree(directory_.path()), before);
}

TEST_F(PackCommandTest, PrintsNothingWhenItIsToldToBeQuiet) {
  const Outcome outcome = run({"pack", source_, "-o", target_, "-q"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out + outcome.err, "");
}

}  // namespace
}  // namespace wpack::cli
