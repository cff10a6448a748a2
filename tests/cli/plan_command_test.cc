// wpack plan and wpack doctor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// Every fact that is null says why, unless null is what it is: no limit.
void expect_explained(const Json& facts) {
  for (const auto& [key, reason] : facts["unknown"].items()) {
    EXPECT_TRUE(facts[key].is_null()) << key;
    EXPECT_FALSE(reason.get<std::string>().empty()) << key;
  }
}

void expect_host(const Json& host) {
  EXPECT_THAT(keys_of(host), ElementsAre("kernel", "usable_cpus", "cpu_quota", "available_memory",
                                         "cgroup_memory", "locked_memory_limit", "open_file_limit",
                                         "transparent_huge_pages", "huge_page_pool", "aio_requests",
                                         "reads_mappings_in", "engines", "unknown"));
  expect_explained(host);
  ASSERT_GE(host["engines"].size(), 1U);
  EXPECT_THAT(keys_of(host["engines"][0]), ElementsAre("name", "works", "refused"));
}

void expect_file(const Json& file) {
  EXPECT_THAT(keys_of(file),
              ElementsAre("path", "size", "file_system", "mount", "device", "kernel_readahead",
                          "direct_alignment", "resident", "unknown"));
  expect_explained(file);
}

void expect_choice(const Json& choice) {
  EXPECT_THAT(keys_of(choice),
              ElementsAre("method", "engine", "block_size", "depth", "direct", "fault_threads",
                          "first_touch_ns_per_mebibyte", "reasons", "refused"));
  EXPECT_EQ(choice["direct"].is_null(), choice["method"] != "direct reads");
  EXPECT_THAT(choice["method"].get<std::string>(),
              AnyOf("map", "read in and map", "direct reads", "buffered reads"));
  EXPECT_GE(choice["reasons"].size(), 1U);
  for (const Json& refusal : choice["refused"])
    EXPECT_THAT(keys_of(refusal), ElementsAre("what", "reason"));
}

class PlanCommandTest : public ::testing::Test {
 protected:
  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST_F(PlanCommandTest, SaysHowEachShardWouldBeReadAndWhy) {
  const Outcome outcome = run({"plan", container_, "--access", "read"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("SHARD         SIZE  READING\n00000.wps  "));
  EXPECT_THAT(outcome.out,
              HasSubstr("buffered reads by pread, 4 requests of 2.10 MB\n  because  "));
  EXPECT_THAT(outcome.out,
              HasSubstr("\n  not      map: reading into private memory was asked for\n"));
  EXPECT_THAT(outcome.out, HasSubstr("/m.wpack: 1 shard, "));
}

TEST_F(PlanCommandTest, MapsWhatWasJustPacked) {
  const Json json = run_json({"plan", container_, "--json"});
  EXPECT_EQ(json["shards"][0]["choice"]["method"], "map");
  EXPECT_TRUE(json["shards"][0]["choice"]["engine"].is_null());
}

TEST_F(PlanCommandTest, WritesExactlyTheMembersThatTheSchemaNames) {
  const Json json = run_json({"plan", container_, "--json"});
  EXPECT_THAT(keys_of(json),
              ElementsAre("schema", "path", "uuid", "host", "request", "profile", "shards"));
  EXPECT_TRUE(json["request"].is_null());
  EXPECT_EQ(json["uuid"], run_json({"inspect", container_, "--json"})["uuid"]);
  expect_host(json["host"]);
  ASSERT_EQ(json["shards"].size(), 1U);
  const Json& shard = json["shards"][0];
  EXPECT_THAT(keys_of(shard), ElementsAre("name", "in_use", "file", "choice", "transfer"));
  EXPECT_EQ(shard["in_use"], false);
  expect_choice(shard["transfer"]);
  EXPECT_EQ(shard["name"], "00000.wps");
  expect_file(shard["file"]);
  expect_choice(shard["choice"]);
}

TEST_F(PlanCommandTest, SaysWhichBytesARequestTakes) {
  const Json whole = run_json({"plan", container_, "--layer", "model.layers.0", "--json"});
  const Json& request = whole["request"];
  EXPECT_THAT(keys_of(request),
              ElementsAre("tensor_count", "needed_bytes", "read_bytes", "over_read", "reads"));
  EXPECT_EQ(request["tensor_count"], 2);
  EXPECT_EQ(request["needed_bytes"], 136);
  ASSERT_EQ(request["reads"].size(), 1U);
  const Json& read = request["reads"][0];
  EXPECT_EQ(read["shard"], 0);
  EXPECT_EQ(request["read_bytes"], read["end"].get<int>() - read["begin"].get<int>());
  const Json tensor = run_json({"plan", container_, "--tensor", "model.layers.0.mlp.up_proj.weight",
                                "--tensor", "model.layers.1.mlp.up_proj.weight", "--json"});
  EXPECT_EQ(tensor["request"]["tensor_count"], 2);
  EXPECT_EQ(tensor["request"]["needed_bytes"], 256);
  const Outcome text = run({"plan", container_, "--layer", "model.layers.0"});
  EXPECT_THAT(text.out, HasSubstr("\nSHARD    FROM"));
  EXPECT_THAT(text.out, HasSubstr("2 tensors: 136 B needed, "));
}

TEST_F(PlanCommandTest, PlansUnderABudget) {
  const Json json = run_json({"plan", container_, "--budget", "8KiB", "--json"});
  const Json& choice = json["shards"][0]["choice"];
  EXPECT_EQ(choice["method"], "buffered reads");
  EXPECT_EQ(choice["block_size"], 8192);
  EXPECT_EQ(choice["depth"], 1);
  EXPECT_GE(choice["fault_threads"], 1);
  EXPECT_EQ(choice["refused"][0]["reason"], "a memory budget cannot hold mapped pages to it");
  EXPECT_EQ(run({"plan", container_, "--budget", "much"}).status, 2);
}

TEST_F(PlanCommandTest, PlansWhatIsCheckedAtOpenWithoutReadingIt) {
  damage(container_ + "/00000.wps", 4100);
  EXPECT_EQ(run({"load", container_, "--verify", "full"}).status, 4);
  const Json json = run_json({"plan", container_, "--verify", "full", "--json"});
  EXPECT_EQ(json["shards"][0]["choice"]["reasons"][0],
            "all bytes were read when they were checked at open");
  EXPECT_NE(run_json({"plan", container_, "--verify", "touch", "--json"})["shards"][0]["choice"],
            json["shards"][0]["choice"]);
  EXPECT_EQ(run({"plan", container_, "--verify", "much"}).status, 2);
}

TEST_F(PlanCommandTest, SaysHowATransferWouldReadAndWhy) {
  const Json json = run_json({"plan", container_, "--json"});
  EXPECT_EQ(json["shards"][0]["transfer"]["method"], "buffered reads");
  EXPECT_THAT(run({"plan", container_}).out,
              HasSubstr("\n  transfer buffered reads by pread, 4 requests of 2.10 MB\n"
                        "    because  "));
}

TEST_F(PlanCommandTest, SaysWhichShardsARequestUses) {
  const Json json = run_json({"plan", container_, "--layer", "model.layers.0", "--json"});
  EXPECT_EQ(json["shards"][0]["in_use"], true);
}

TEST_F(PlanCommandTest, PlansAllLayersAndSlices) {
  const Json all = run_json({"plan", container_, "--all", "--json"});
  EXPECT_EQ(all["request"]["tensor_count"], 5);
  EXPECT_EQ(all["request"]["needed_bytes"], 256 + 128 + 8 + 128);
  const std::string name = "model.embed_tokens.weight";
  const Json slice = run_json(
      {"plan", container_, "--slice", name + ":1:2:4", "--slice", name + ":0:15:16", "--json"});
  EXPECT_EQ(slice["request"]["tensor_count"], 2);
  EXPECT_EQ(slice["request"]["needed_bytes"], 16 * 2 * 2 + 8 * 2);
  const Json both = run_json({"plan", container_, "--tensor", name, "--slice",
                              "model.layers.0.mlp.up_proj.weight:0:0:1", "--json"});
  EXPECT_EQ(both["request"]["needed_bytes"], 256 + 16);
  EXPECT_THAT(run({"plan", container_, "--all"}).out, HasSubstr("5 tensors: 520 B needed, "));
}

TEST_F(PlanCommandTest, RefusesSlicesThatAreNone) {
  for (const char* slice : {"a", "a:0:1", "a:x:0:1", "a:0:0:1x", "a:-1:0:1", "a:0::1",
                            "a:4294967295:0:1", "a:0:0:99999999999999999999"}) {
    const Outcome outcome = run({"plan", container_, "--slice", slice});
    EXPECT_EQ(outcome.status, 2) << slice;
    EXPECT_THAT(outcome.err, HasSubstr("NAME:DIM:BEGIN:END")) << slice;
  }
  const Outcome unknown = run({"plan", container_, "--slice", "a:b:0:0:1"});
  EXPECT_NE(unknown.status, 0);
  EXPECT_THAT(unknown.err, HasSubstr("has no tensor 'a:b'"));
  EXPECT_THAT(run({"plan", container_, "--slice", "model.embed_tokens.weight:7:0:1"}).err,
              HasSubstr("embed_tokens"));
}

TEST_F(PlanCommandTest, RefusesRequestsForWhatIsNotThere) {
  for (const char* option : {"--layer", "--tensor"}) {
    const Outcome outcome = run({"plan", container_, option, "nowhere", "--json"});
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("'nowhere'"));
  }
  EXPECT_EQ(run({"plan", container_, "--tp-rank", "0"}).status, 2);
}

TEST_F(PlanCommandTest, FailsLikeOpeningDoes) {
  const Outcome missing = run({"plan", directory_.file("none.wpack")});
  EXPECT_EQ(missing.status, 5);
  EXPECT_EQ(missing.out, "");
  EXPECT_THAT(missing.err, HasSubstr("none.wpack: open directory failed: No such file"));
  damage(container_ + "/index.wpi", 5000);
  EXPECT_EQ(run({"plan", container_}).status, 4);
}

TEST_F(PlanCommandTest, DoctorShowsOneScreen) {
  const Outcome outcome = run({"doctor", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* row :
       {"kernel  ", "processors  ", "memory available  ", "cgroup memory  ", "locked memory  ",
        "open files  ", "transparent huge pages  ", "huge page pool  ", "libaio requests  ",
        "reading mappings in  ", "engine pread  ", "file system  ", "mount  ", "device  ",
        "kernel readahead  ", "direct input  ", "in the page cache  ", "plan  "}) {
    EXPECT_THAT("\n" + outcome.out, HasSubstr("\n" + std::string(row))) << row;
  }
  EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 40);
}

TEST_F(PlanCommandTest, DoctorShowsOneScreenOfManyShards) {
  constexpr int kShards = 50;
  std::vector<TensorSpec> tensors;
  for (int i = 0; i < kShards; ++i) {
    const std::size_t size = i % 2 == 0 ? 40'000 : 50'000;  // each reason names another size
    tensors.push_back({"model.layers." + std::to_string(i) + ".w", "U8", {size}, noise(size, 1)});
    tensors.back().bytes[0] = static_cast<char>(i);
  }
  const std::string many =
      pack_file(directory_, "many", safetensors_file(tensors), {"--shard-size", "64KiB"});
  ASSERT_EQ(run_json({"doctor", many, "--json"})["plan"].size(), std::size_t{kShards});
  const Outcome outcome = run({"doctor", many});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("00000.wps and 49 more: map\n"));
  EXPECT_THAT(outcome.out, HasSubstr("are in the page cache (00000.wps)\n"));
  EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 40);
}

TEST_F(PlanCommandTest, DoctorWritesExactlyTheMembersThatTheSchemaNames) {
  const Json json = run_json({"doctor", container_, "--json"});
  EXPECT_THAT(keys_of(json),
              ElementsAre("schema", "path", "host", "file", "profile", "plan", "plan_unknown"));
  EXPECT_TRUE(json["profile"].is_null());
  expect_host(json["host"]);
  expect_file(json["file"]);
  EXPECT_TRUE(json["plan_unknown"].is_null());
  ASSERT_EQ(json["plan"].size(), 1U);
  EXPECT_THAT(keys_of(json["plan"][0]), ElementsAre("name", "choice"));
  EXPECT_EQ(json["plan"][0]["name"], "00000.wps");
  expect_choice(json["plan"][0]["choice"]);
}

TEST_F(PlanCommandTest, DoctorTakesAnyFileAndFolderAndTheCurrentOne) {
  const std::string file = directory_.write("weights.bin", std::string(100'000, 'x'));
  const Json of_file = run_json({"doctor", file, "--json"});
  EXPECT_EQ(of_file["file"]["path"], file);
  EXPECT_EQ(of_file["plan"][0]["name"], file);
  const std::string folder = directory_.path();
  EXPECT_EQ(run_json({"doctor", folder, "--json"})["file"]["path"], file);
  const Outcome here = run({"doctor"}, [&] {
    if (::chdir(folder.c_str()) != 0) ::_exit(99);
  });
  EXPECT_EQ(here.status, 0);
}

TEST_F(PlanCommandTest, DoctorSaysWhyAContainerHasNoPlan) {
  damage(container_ + "/index.wpi", 5000);
  const Outcome outcome = run({"doctor", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\nplan                    unknown: "));
  const Json json = run_json({"doctor", container_, "--json"});
  EXPECT_TRUE(json["plan"].is_null());
  EXPECT_THAT(json["plan_unknown"].get<std::string>(), HasSubstr("index.wpi"));
}

TEST_F(PlanCommandTest, DoctorRefusesWhatIsNotThereAndWhatIsNoFile) {
  const Outcome missing = run({"doctor", directory_.file("no\x1b[2Jne")});
  EXPECT_EQ(missing.status, 5);
  EXPECT_EQ(missing.out, "");
  EXPECT_THAT(missing.err, HasSubstr("no\\x1b[2Jne: open failed: No such file"));
  EXPECT_EQ(run({"doctor", "/dev/null"}).status, 3);
}

TEST_F(PlanCommandTest, DoctorEscapesWhatATerminalWouldObey) {
  const std::string file = directory_.write("a\x1b[2J\nb", "x");
  const Outcome outcome = run({"doctor", file});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("a\\x1b[2J\\x0ab"));
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace wpack::cli
