// wpack load --tp-rank: what one rank of tensor parallelism reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources.h"
#include "support/paths.h"

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

class LoadRankTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string model =
        (testing::test_data() / "hugging_face" / "safetensors_sharded").string();
    ASSERT_EQ(run({"pack", model, "-o", container_, "-q"}).status, 0);
  }
  [[nodiscard]] static std::string rules(const std::string& name) {
    return (testing::source_directory() / "rules" / name).string();
  }
  Arguments rank(const std::string& number, const std::string& size, const std::string& file,
                 const Arguments& more = {}) {
    Arguments arguments = {"load",      container_, "--tp-rank",  number,
                           "--tp-size", size,       "--tp-rules", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  TempDir directory_;
  std::string container_ = directory_.file("m.wpack");
};

TEST_F(LoadRankTest, ReadsWhatTheRankHolds) {
  const std::uint64_t all = run_json({"load", container_, "--json"})["bytes"];
  for (const char* number : {"0", "1"}) {
    for (const char* access : {"map", "read"}) {
      const Json json =
          run_json(rank(number, "2", rules("llama.json"), {"--access", access, "--json"}));
      EXPECT_EQ(json["layer_count"], 6);
      EXPECT_EQ(json["tensor_count"], 30);
      EXPECT_LT(json["bytes"], all * 6 / 10);
      const Json& slices = json["tensor_parallel"];
      EXPECT_EQ(slices["rank"], std::stoi(number));
      EXPECT_EQ(slices["size"], 2);
      EXPECT_LE(slices["needed_bytes"], json["bytes"]);
      EXPECT_GE(slices["read_bytes"], slices["needed_bytes"]);
      EXPECT_EQ(slices["read_count"], 6);  // small layers are one read each
      EXPECT_GT(slices["over_read"], 1.0);
    }
  }
}

TEST_F(LoadRankTest, SaysItToPeopleToo) {
  const Outcome outcome = run(rank("1", "2", rules("llama.json")));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\nrank          1 of 2: 8.19 kB needed, 24.6 kB read in 6 "
                                     "ranges (over-read 3.000)\n"));
  EXPECT_THAT(run({"load", container_}).out, ::testing::Not(HasSubstr("rank")));
}

TEST_F(LoadRankTest, LoadsOnlyTheLayersThatWereNamed) {
  const Json json =
      run_json(rank("0", "2", rules("llama.json"), {"--layer", "model.layers.1", "--json"}));
  EXPECT_EQ(json["layer_count"], 1);
  EXPECT_EQ(json["tensor_parallel"]["read_count"], 1);
}

// Three tensors of 4 MiB, of which a rank of two holds rows, columns and all.
class LoadRankBudgetTest : public ::testing::Test {
 protected:
  [[nodiscard]] Arguments load(const Arguments& more) const {
    Arguments arguments = {"load",      container_, "--tp-rank",  "1",
                           "--tp-size", "2",        "--tp-rules", rules_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  TempDir directory_;
  std::string rules_ = directory_.write("rules.json", R"({"wpack_tensor_parallel": 1, "rules": [
    {"tensors": ["*.rows"], "dim": 0}, {"tensors": ["*.columns"], "dim": 1}]})");
  std::string container_ = [this] {
    return pack_file(directory_, "m",
                     safetensors_file({{"layers.0.columns", "U8", {1024, 4096}, noise(4 << 20, 1)},
                                       {"layers.0.rows", "U8", {1024, 4096}, noise(4 << 20, 2)},
                                       {"layers.0.whole", "U8", {1024, 4096}, noise(4 << 20, 3)}}));
  }();
};

TEST_F(LoadRankBudgetTest, LoadsTensorByTensorAndSliceBySliceWhereALayerIsTooLarge) {
  const Json all = run_json(load({"--access", "read", "--json"}));
  EXPECT_EQ(all["bytes"], 8 << 20);
  for (const char* budget : {"16MiB", "6MiB", "5MiB", "3MiB"}) {
    const Json json = run_json(load({"--budget", budget, "--json"}));
    EXPECT_EQ(json["bytes"], all["bytes"]) << budget;
    EXPECT_EQ(json["tensor_count"], 3);
    EXPECT_EQ(json["layer_count"], 1);
    EXPECT_LE(json["peak_memory_bytes"], json["budget_bytes"]);
    EXPECT_GE(json["tensor_parallel"]["read_bytes"], json["tensor_parallel"]["needed_bytes"]);
  }
}

TEST_F(LoadRankBudgetTest, RefusesABudgetThatHoldsNoSliceAndNamesOneThatWouldDo) {
  const Outcome outcome = run(load({"--budget", "64KiB"}));
  EXPECT_EQ(outcome.status, 6);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("slice of tensor 'layers.0."));
  EXPECT_THAT(outcome.err, HasSubstr("bytes would do"));
}

TEST_F(LoadRankTest, NamesTheTensorThatCannotBeSplit) {
  const Outcome outcome = run(rank("0", "3", rules("llama.json")));
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(
      outcome.err,
      HasSubstr("tensor 'model.layers.0.self_attn.o_proj.weight': 3 ranks for dimension 1"));
}

TEST_F(LoadRankTest, NamesFileAndKeyOfBadRules) {
  const std::string file = directory_.write("bad.json", R"({
    "wpack_tensor_parallel": 1, "rules": [{"tensors": ["*"], "axis": 0}]})");
  const Outcome outcome = run(rank("0", "2", file));
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("bad.json: rules[0] has the unknown key \"axis\"\n"));
  // The model is no GPT-2: its configuration has no n_head.
  const Outcome other = run(rank("0", "2", rules("gpt2.json")));
  EXPECT_EQ(other.status, 3);
  EXPECT_THAT(other.err, HasSubstr("gpt2.json: rules[0].segments[0].heads names \"n_head\""));
  EXPECT_EQ(run(rank("0", "2", directory_.file("missing.json"))).status, 5);
}

TEST_F(LoadRankTest, RejectsRanksThatMakeNoSense) {
  const std::string file = rules("llama.json");
  const std::vector<std::pair<Arguments, std::string>> mistakes = {
      {rank("2", "2", file), "--tp-rank: ranks of 2 are 0 to 1"},
      {rank("0", "0", file), "--tp-size: 1 to 65536 ranks are possible"},
      {rank("0", "70000", file), "--tp-size"},
      {rank("-1", "2", file), "--tp-rank"},
      {{"load", container_, "--tp-rank", "0", "--tp-size", "2"}, "they go together"},
      {{"load", container_, "--tp-rules", file}, "they go together"}};
  for (const auto& [arguments, part] : mistakes) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(part));
    EXPECT_THAT(outcome.err, HasSubstr("; see wpack load --help\n"));
  }
}

}  // namespace
}  // namespace wpack::cli
