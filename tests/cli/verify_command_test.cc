// wpack verify: the report on stdout, the verdict in the exit status and in one line on stderr.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;
using testing::TempDir;

class VerifyCommandTest : public ::testing::Test {
 protected:
  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
  std::string shard_ = container_ + "/00000.wps";
};

TEST_F(VerifyCommandTest, SaysThatASoundContainerIsSound) {
  const Outcome outcome = run({"verify", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, MatchesRegex(".*m\\.wpack: sound, checked 5 tensors, [0-9]+ chunks and "
                                        ".* in .* \\(.*\\)\n"));
  const Json json = run_json({"verify", container_, "--json"});
  EXPECT_EQ(json["sound"], true);
  EXPECT_EQ(json["faults"], Json::array());
  EXPECT_EQ(json["tensor_count"], 5);
}

TEST_F(VerifyCommandTest, ListsADamagedByteAndExitsWithFour) {
  damage(shard_, 4096 + 10);
  const Outcome outcome = run({"verify", container_});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.out, StartsWith("fault: "));
  EXPECT_THAT(outcome.out, HasSubstr("m.wpack: damaged, "));
  EXPECT_THAT(outcome.err, StartsWith("wpack: error: "));
  EXPECT_THAT(outcome.err, HasSubstr("model.embed_tokens.weight"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST_F(VerifyCommandTest, FindsADamagedPaddingByte) {
  damage(shard_, 4096 + 256 + 1);
  EXPECT_EQ(run({"verify", container_}).status, 4);
}

TEST_F(VerifyCommandTest, ListsEveryFaultAsJson) {
  damage(shard_, 4096 + 10);
  damage(shard_, 2 * 4096 + 10);
  const Outcome outcome = run({"verify", container_, "--json"});
  EXPECT_EQ(outcome.status, 4);
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["sound"], false);
  ASSERT_GE(json["faults"].size(), 2U);
  EXPECT_EQ(json["faults"][0]["code"], "integrity");
  EXPECT_THAT(json["faults"][0]["message"].get<std::string>(), HasSubstr("00000.wps"));
  EXPECT_THAT(outcome.err, HasSubstr("more fault"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST_F(VerifyCommandTest, ExitsWithFiveForAMissingShard) {
  std::filesystem::remove(shard_);
  const Outcome outcome = run({"verify", container_});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_THAT(outcome.err, HasSubstr("00000.wps"));
}

}  // namespace
}  // namespace wpack::cli
