// wpack ls and wpack inspect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

class LsCommandTest : public ::testing::Test {
 protected:
  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST_F(LsCommandTest, WritesTheTableThatPeopleRead) {
  const Outcome outcome = run({"ls", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out,
            "TENSOR                             DTYPE  SHAPE     SIZE  WHERE\n"
            "model.embed_tokens.weight          BF16   [16, 8]  256 B  00000.wps+0x1000\n"
            "model.layers.0.mlp.scale           F64    []         8 B  00000.wps+0x2000\n"
            "model.layers.0.mlp.up_proj.weight  F32    [8, 4]   128 B  00000.wps+0x2100\n"
            "model.layers.1.mlp.empty           I64    [0, 4]     0 B  -\n"
            "model.layers.1.mlp.up_proj.weight  F32    [8, 4]   128 B  00000.wps+0x3000\n"
            "5 tensors, 520 B\n");
}

TEST_F(LsCommandTest, WritesExactlyTheMembersThatTheSchemaNames) {
  const Outcome outcome = run({"ls", container_, "--json"});
  EXPECT_EQ(outcome.status, 0);
  const Json json = Json::parse(outcome.out);
  EXPECT_THAT(keys_of(json), ElementsAre("schema", "tensors"));
  ASSERT_EQ(json["tensors"].size(), 5U);
  for (const Json& tensor : json["tensors"]) {
    EXPECT_THAT(keys_of(tensor), ElementsAre("name", "dtype", "shape", "nbytes", "layer", "shard",
                                             "offset", "codec", "alias_of"));
  }
  EXPECT_EQ(json["tensors"][0].dump(),
            R"({"name":"model.embed_tokens.weight","dtype":"BF16","shape":[16,8],"nbytes":256,)"
            R"("layer":"model.embed_tokens","shard":"00000.wps","offset":4096,"codec":"raw",)"
            R"("alias_of":null})");
}

TEST_F(LsCommandTest, WritesNullForTheShardOfATensorWithoutBytes) {
  const Json json = run_json({"ls", container_, "*.empty", "--json"});
  ASSERT_EQ(json["tensors"].size(), 1U);
  EXPECT_EQ(json["tensors"][0]["shape"], Json({0, 4}));
  EXPECT_TRUE(json["tensors"][0]["shard"].is_null());
  EXPECT_TRUE(json["tensors"][0]["offset"].is_null());
}

TEST_F(LsCommandTest, ListsOnlyWhatThePatternMatches) {
  const Json json = run_json({"ls", container_, "*.layers.?.mlp.up*", "--json"});
  ASSERT_EQ(json["tensors"].size(), 2U);
  EXPECT_EQ(json["tensors"][1]["name"], "model.layers.1.mlp.up_proj.weight");
}

TEST_F(LsCommandTest, ListsLayersInTheOrderOfUse) {
  const Outcome outcome = run({"ls", container_, "--layers"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, StartsWith("LAYER               TENSORS   SIZE  RANGE"));
  const Json json = run_json({"ls", container_, "--layers", "--json"});
  ASSERT_EQ(json["layers"].size(), 3U);
  EXPECT_EQ(json["layers"][0]["name"], "model.embed_tokens");
  EXPECT_EQ(json["layers"][1]["name"], "model.layers.0");
  EXPECT_EQ(json["layers"][1]["tensors"], 2);
  EXPECT_EQ(json["layers"][1]["nbytes"], 136);
  EXPECT_EQ(json["layers"][2]["name"], "model.layers.1");
}

TEST(LsNamesTest, EscapesWhatATerminalWouldObey) {
  const TempDir directory;
  const std::string name = "a\x1b[2J\n\\b\u202e\u00e9[x]";
  const std::string container =
      pack_file(directory, "m", safetensors_file({{name, "U8", {1}, "x"}}));
  const Outcome table = run({"ls", container});
  EXPECT_THAT(table.out, HasSubstr("\na\\x1b[2J\\x0a\\\\b\\u{202e}\u00e9[x]  U8 "));
  const Json json = run_json({"ls", container, "--json"});
  EXPECT_EQ(json["tensors"][0]["name"], name);
}

TEST(LsNamesTest, TakesBracketsAndBackslashesInAPatternForThemselves) {
  const TempDir directory;
  const std::string container = pack_file(
      directory, "m", safetensors_file({{"a[x]\\", "U8", {1}, "x"}, {"ax", "U8", {1}, "y"}}));
  const Json json = run_json({"ls", container, "a[x]\\", "--json"});
  ASSERT_EQ(json["tensors"].size(), 1U);
  EXPECT_EQ(json["tensors"][0]["name"], "a[x]\\");
}

TEST_F(LsCommandTest, InspectShowsIdentityOriginAndCounts) {
  const Outcome outcome = run({"inspect", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("\nuuid           "));
  EXPECT_THAT(outcome.out, HasSubstr("\nsource format  safetensors\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\ntensors        5 (0 tied)\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\n  m.source"));
  EXPECT_THAT(outcome.out, HasSubstr("\n  note = a \"quoted\" word (string)\n"));
}

TEST_F(LsCommandTest, InspectWritesJson) {
  const Json json = run_json({"inspect", container_, "--json"});
  EXPECT_EQ(json["kind"], "container");
  EXPECT_EQ(json["uuid"].get<std::string>().size(), 32U);
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(json["layer_count"], 3);
  EXPECT_EQ(json["sources"][0]["name"], "m.source");
  EXPECT_EQ(json["sources"][0]["size"], small_model().size());
  EXPECT_EQ(json["overhead_bytes"],
            json["file_bytes"].get<std::int64_t>() - json["payload_bytes"].get<std::int64_t>());
  EXPECT_EQ(json["metadata"][1]["value"], "a \"quoted\" word");
}

TEST_F(LsCommandTest, InspectNamesASingleFile) {
  const Json container = run_json({"inspect", container_, "--json"});
  const Json index = run_json({"inspect", container_ + "/index.wpi", "--json"});
  EXPECT_EQ(index["kind"], "index");
  EXPECT_EQ(index["uuid"], container["uuid"]);
  const Json shard = run_json({"inspect", container_ + "/00000.wps", "--json"});
  EXPECT_EQ(shard["kind"], "shard");
  EXPECT_EQ(shard["uuid"], container["uuid"]);
  EXPECT_EQ(shard["shard_number"], 0);
  EXPECT_EQ(shard["file_size"], container["shards"][0]["file_size"]);
  EXPECT_THAT(run({"inspect", container_ + "/00000.wps"}).out, HasSubstr("shard 0 of 1"));
}

}  // namespace
}  // namespace wpack::cli
