// wpack load.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

class LoadCommandTest : public ::testing::Test {
 protected:
  Json load(const Arguments& options) {
    Arguments arguments = {"load", container_, "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_json(arguments);
  }

  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST_F(LoadCommandTest, WritesWhatPeopleRead) {
  const Outcome outcome = run({"load", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("loaded        5 tensors in 3 layers, 520 B\nopen  "));
  for (const char* row :
       {"first tensor", "first layer", "all", "access", "verified", "CPU", "peak RSS"}) {
    EXPECT_THAT(outcome.out, HasSubstr(std::string("\n") + row + " "));
  }
}

TEST_F(LoadCommandTest, MeasuresEveryStepFromTheStartOfOpening) {
  const Json json = load({});
  EXPECT_EQ(json["layer_count"], 3);
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(json["bytes"], 520);
  EXPECT_GT(json["open_seconds"], 0.0);
  EXPECT_GT(json["first_tensor_seconds"], json["open_seconds"]);
  EXPECT_GE(json["first_layer_seconds"], json["first_tensor_seconds"]);
  EXPECT_GT(json["total_seconds"], json["first_layer_seconds"]);
  EXPECT_GT(json["peak_rss_bytes"], 100'000);
  EXPECT_GT(json["cpu_seconds"], 0.0);
}

TEST_F(LoadCommandTest, SaysWhetherBytesWereMappedOrRead) {
  const Json mapped = load({"--access", "map"});
  EXPECT_EQ(mapped["access"], "mapped");
  EXPECT_GT(mapped["mapped_bytes"], 0);
  EXPECT_EQ(mapped["read_bytes"], 0);
  const Json read = load({"--access", "read"});
  EXPECT_EQ(read["access"], "read");
  EXPECT_EQ(read["mapped_bytes"], 0);
  EXPECT_GE(read["read_bytes"], 520);
}

TEST_F(LoadCommandTest, VerifiesByPolicy) {
  EXPECT_EQ(load({"--access", "map"})["verified_bytes"], 0);
  EXPECT_EQ(load({"--access", "read", "--verify", "index"})["verified_bytes"], 0);
  EXPECT_GE(load({"--access", "read"})["verified_bytes"], 520);
  EXPECT_GE(load({"--access", "map", "--verify", "touch"})["verified_bytes"], 520);
  EXPECT_GE(load({"--verify", "full", "--layer", "model.layers.0"})["verified_bytes"], 520);
}

TEST_F(LoadCommandTest, LoadsOnlyTheLayersThatWereNamed) {
  const Json json = load({"--layer", "model.layers.1", "--layer", "model.layers.0"});
  EXPECT_EQ(json["layer_count"], 2);
  EXPECT_EQ(json["tensor_count"], 4);
  EXPECT_EQ(json["bytes"], 264);
}

TEST_F(LoadCommandTest, LoadsOneLayerBeforeAllOthers) {
  const Json json = load({"--first", "model.layers.1"});
  EXPECT_EQ(json["layer_count"], 3);
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(run({"load", container_, "--first", "none"}).status, 2);
}

TEST_F(LoadCommandTest, AddsUpTheWordsOfEveryTensorOnce) {
  const std::string container =
      pack_file(directory_, "sum",
                safetensors_file({{"a", "U8", {9}, std::string("\x01\0\0\0\0\0\0\x80\x03", 9)},
                                  {"b", "U8", {8}, std::string("\x01\0\0\0\0\0\0\x80", 8)}}));
  const Json json = run_json({"load", container, "--json", "--touch", "bytes"});
  EXPECT_EQ(json["touch"], "bytes");
  EXPECT_EQ(json["word_sum"], 1 + 3 + 1) << "the high bits overflow";
  EXPECT_EQ(load({})["word_sum"], nullptr);
  EXPECT_EQ(load({"--touch", "bytes"})["word_sum"],
            load({"--touch", "bytes", "--access", "read", "--budget", "64KiB"})["word_sum"]);
}

TEST_F(LoadCommandTest, ReadsAheadAsFarAsItIsTold) {
  EXPECT_EQ(load({"--readahead", "0"})["bytes"], 520);
  EXPECT_EQ(load({"--readahead", "1000"})["bytes"], 520);
}

// Two layers of 64 KiB, one of them of two tensors.
std::string layered_model() {
  const std::string half(32 << 10, 'x');
  return safetensors_file({{"model.layers.0.a", "U8", {32 << 10}, half},
                           {"model.layers.0.b", "U8", {32 << 10}, std::string(32 << 10, 'y')},
                           {"model.layers.1.a", "U8", {64 << 10}, half + half}});
}

TEST(LoadBudgetTest, StreamsLayersThroughTheMemoryThatItMayTake) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", layered_model());
  const Json json = run_json({"load", container, "--json", "--budget", "160KiB"});
  EXPECT_EQ(json["bytes"], 128 << 10);
  EXPECT_EQ(json["access"], "read");
  EXPECT_EQ(json["access_reason"], "as --budget asks");
  EXPECT_EQ(json["budget_bytes"], 160 << 10);
  EXPECT_LE(json["peak_memory_bytes"], 160 << 10);
  EXPECT_EQ(json["huge_tlb_bytes"], 0);
  EXPECT_EQ(json["huge_asked_bytes"], 0) << "all of it is smaller than a huge page";
  EXPECT_GE(json["verified_bytes"], 128 << 10);
  const Outcome outcome = run({"load", container, "--budget", "160KiB"});
  EXPECT_THAT(outcome.out, HasSubstr("\nbudget "));
}

TEST(LoadBudgetTest, TakesTheTensorsOfALargeLayerOneAtATime) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", layered_model());
  const Json json = run_json({"load", container, "--json", "--budget", "64KiB"});
  EXPECT_EQ(json["bytes"], 128 << 10);
  EXPECT_EQ(json["peak_memory_bytes"], 64 << 10);
}

TEST(LoadBudgetTest, RefusesATensorThatIsLargerThanTheBudget) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", layered_model());
  const Outcome outcome = run({"load", container, "--budget", "32KiB"});
  EXPECT_EQ(outcome.status, 6);
  EXPECT_THAT(outcome.err,
              HasSubstr("tensor 'model.layers.1.a': 65536 bytes are over the memory budget"));
  EXPECT_EQ(run({"load", container, "--budget", "many"}).status, 2);
}

TEST_F(LoadCommandTest, WritesATraceThatTellsOfEveryLayer) {
  const std::string file = directory_.file("trace.json");
  (void)load({"--trace", file, "--access", "read"});
  const Json trace = Json::parse(testing::read_file(file));
  int layers = 0;
  for (const Json& event : trace["traceEvents"]) {
    EXPECT_TRUE(event.contains("ts"));
    EXPECT_TRUE(event.contains("tid"));
    EXPECT_EQ(event.contains("dur"), event["ph"] == "X");
    if (event["name"] == "load layer" || event["name"] == "read layer ahead") ++layers;
  }
  EXPECT_EQ(layers, 3);
}

TEST_F(LoadCommandTest, WritesMetricsInPlaceOfThoseBefore) {
  const std::string file = directory_.write("wpack.prom", "old");
  (void)load({"--metrics-file", file, "--access", "read"});
  const std::string text = testing::read_file(file);
  EXPECT_THAT(text, StartsWith("# HELP wpack_"));
  EXPECT_THAT(text, HasSubstr("wpack_read_bytes_total{container=\"" + container_ + "\",source="));
}

TEST_F(LoadCommandTest, RecordsAnOrderThatLoadAndPackFollow) {
  const std::string order = directory_.file("order.json");
  const Json all = run_json({"ls", container_, "--layers", "--json"});
  std::vector<std::string> names;
  for (const Json& layer : all["layers"]) names.push_back(layer["name"]);
  ASSERT_EQ(names.size(), 3U);
  (void)load({"--layer", names[2], "--layer", names[0], "--record", order});
  EXPECT_EQ(Json::parse(testing::read_file(order))["layers"], (Json{names[2], names[0]}));

  const std::string again = directory_.file("again.json");
  EXPECT_EQ(load({"--order", order, "--record", again})["layer_count"], 3);
  const Json followed = Json::parse(testing::read_file(again))["layers"];
  EXPECT_EQ(followed, (Json{names[2], names[0], names[1]}));

  const std::string packed = pack_file(directory_, "ordered", small_model(), {"--order", order});
  const Json laid_out = run_json({"ls", packed, "--layers", "--json"})["layers"];
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(laid_out[i]["name"], followed[i]);
}

TEST_F(LoadCommandTest, RefusesAnOrderOfAnotherModel) {
  const std::string order =
      directory_.write("order.json", R"({"wpack_use_order": 1, "layers": ["nowhere"]})");
  const Outcome loaded = run({"load", container_, "--order", order});
  EXPECT_EQ(loaded.status, 2);
  EXPECT_THAT(loaded.err, HasSubstr("'nowhere', which the container does not have"));
  const std::string source = directory_.write("again.safetensors", small_model());
  const std::string target = directory_.file("again.wpack");
  const Outcome packed = run({"pack", source, "-o", target, "--order", order});
  EXPECT_EQ(packed.status, 2);
  EXPECT_THAT(packed.err, HasSubstr("'nowhere', which the source does not have"));
  EXPECT_FALSE(std::filesystem::exists(target));
  const Outcome missing = run({"load", container_, "--order", directory_.file("none.json")});
  EXPECT_EQ(missing.status, 5);
  EXPECT_THAT(missing.err, HasSubstr("none.json"));
}

// Rows that fit into a slice, and rows that do not.
TEST_F(LoadCommandTest, LoadsTensorsThatAreLargerThanTheBudgetSliceBySlice) {
  const std::string bytes = noise(16 << 20, 7);
  for (const std::vector<std::uint64_t>& shape :
       {std::vector<std::uint64_t>{256, 65536}, std::vector<std::uint64_t>{2, 8 << 20}}) {
    const std::string name = "rows" + std::to_string(shape[0]);
    const std::string container =
        pack_file(directory_, name, safetensors_file({{"layers.0.w", "U8", shape, bytes}}));
    const Json whole = run_json({"load", container, "--touch", "bytes", "--json"});
    const Json sliced =
        run_json({"load", container, "--touch", "bytes", "--budget", "6MiB", "--json"});
    EXPECT_EQ(sliced["word_sum"], whole["word_sum"]);
    EXPECT_EQ(sliced["bytes"], 16 << 20);
    EXPECT_EQ(sliced["tensor_count"], 1);
    EXPECT_LE(sliced["peak_memory_bytes"], 6 << 20);
    // What can never fit is not waited for until then.
    const Json in_time = run_json({"load", container, "--touch", "bytes", "--budget", "6MiB",
                                   "--deadline", "3600", "--json"});
    EXPECT_EQ(in_time["word_sum"], whole["word_sum"]);
  }
}

// Rows that do not begin where a word does: their slices hold other words than the whole.
TEST_F(LoadCommandTest, AddsNothingUpWhereSlicesDoNotKeepWordsTogether) {
  constexpr std::uint64_t kRow = (8 << 20) + 9;
  const std::string container = pack_file(
      directory_, "odd", safetensors_file({{"layers.0.w", "U8", {2, kRow}, noise(2 * kRow, 7)}}));
  const Json sliced =
      run_json({"load", container, "--touch", "bytes", "--budget", "6MiB", "--json"});
  EXPECT_EQ(sliced["bytes"], 2 * kRow);
  EXPECT_TRUE(sliced["word_sum"].is_null());
}

TEST_F(LoadCommandTest, RefusesABudgetThatHoldsNoSliceAndNamesOneThatWouldDo) {
  const std::string container =
      pack_file(directory_, "large",
                safetensors_file({{"layers.0.w", "U8", {16 << 20}, noise(16 << 20, 7)}}));
  const Outcome outcome = run({"load", container, "--budget", "64KiB"});
  EXPECT_EQ(outcome.status, 6);
  EXPECT_THAT(outcome.err, HasSubstr("slice of tensor 'layers.0.w'"));
  EXPECT_EQ(outcome.out, "");
  const std::string named = "a budget of ";
  const std::size_t at = outcome.err.find(named);
  ASSERT_NE(at, std::string::npos) << outcome.err;
  const std::uint64_t enough = std::stoull(outcome.err.substr(at + named.size()));
  EXPECT_EQ(run({"load", container, "--budget", std::to_string(enough)}).status, 0);
}

TEST_F(LoadCommandTest, FailsAtItsDeadlineWithNothingOnStandardOutput) {
  for (const Arguments& options : {Arguments{}, {"--access", "read"}, {"--verify", "full"}}) {
    Arguments arguments = {"load", container_, "--json", "--deadline", "1e-9"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(container_));
    EXPECT_THAT(outcome.err, HasSubstr("the deadline passed"));
  }
  EXPECT_EQ(load({"--deadline", "600"})["tensor_count"], 5);
}

TEST_F(LoadCommandTest, RefusesDeadlinesThatAreNone) {
  for (const char* text : {"0", "-1", "nan", "inf", "1e7", "soon", "1s", ""}) {
    const Outcome outcome = run({"load", container_, "--deadline", text});
    EXPECT_EQ(outcome.status, 2) << text;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(LoadCommandTest, RefusesFilesThatItCannotWrite) {
  for (const char* option : {"--trace", "--metrics-file", "--record"}) {
    const Outcome outcome = run({"load", container_, option, directory_.file("none/file")});
    EXPECT_EQ(outcome.status, 5);
    EXPECT_THAT(outcome.err, HasSubstr("none/file: creation of a file beside it failed: No such"));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(LoadEmptyTest, LoadsAContainerWithoutBytes) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", safetensors_file({{"x", "U8", {0}, ""}}));
  const Json json = run_json({"load", container, "--json"});
  EXPECT_EQ(json["tensor_count"], 1);
  EXPECT_EQ(json["bytes"], 0);
  EXPECT_EQ(run({"load", container}).status, 0);
}

}  // namespace
}  // namespace wpack::cli
