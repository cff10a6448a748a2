// wpack tune, and what other commands make of the profile that it keeps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): setenv is POSIX, not C++
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "profile_cache.h"
#include "sources.h"
#include "support/page_cache.h"

namespace wpack::cli {
namespace {

using testing::drop_from_page_cache;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing::TempDir;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

// Runs the command with a cache directory of its own.
class TuneCommandTest : public ::testing::Test {
 protected:
  [[nodiscard]] Outcome run_here(const Arguments& arguments) const {
    return run(arguments, [this] { ::setenv("XDG_CACHE_HOME", cache_.c_str(), 1); });
  }
  [[nodiscard]] Json json_of(const Arguments& arguments) const {
    const Outcome outcome = run_here(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.out);
  }
  // A file that is large enough to be measured, all hole.
  [[nodiscard]] std::string large_file() const {
    const std::string path = directory_.write("weights.bin", "");
    std::filesystem::resize_file(path, 64 << 20);
    return path;
  }
  // Keeps a profile of the container's disk, as `change` makes it, and returns its file.
  std::string keep(const std::function<void(Json&)>& change) const {
    const std::string path =
        json_of({"tune", container_, "--seconds", "0.2", "--json"}).at("profile_file");
    Json profile = Json::parse(testing::read_file(path));
    profile["direct"] = {{"engine", "pread"}, {"block_size", 1 << 20}, {"depth", 3}};
    profile["buffered"] = {{"engine", "pread"}, {"block_size", 4 << 20}, {"depth", 2}};
    change(profile);
    write(path, profile.dump());
    return path;
  }
  static void write(const std::string& path, std::string_view text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  // Says of `plan` why the profile was not followed, or that it was.
  [[nodiscard]] std::string fate_of_profile(const Json& plan) const {
    const Json& choice = plan.at("shards").at(0).at("choice");
    for (const Json& reason : choice.at("reasons"))
      if (reason.get<std::string>().starts_with("tuned")) return reason;
    for (const Json& refusal : choice.at("refused"))
      if (refusal.at("what") == "profile") return refusal.at("reason");
    return "";
  }

  TempDir directory_;
  std::string cache_ = directory_.file("cache");
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST(ProfileFileNameTest, IsANameOfAFileWhateverTheProfileIsOf) {
  const std::string odd(255, '/');
  EXPECT_LE(profile_file_name({.kernel = odd, .device = odd, .file_system = odd}).size(), 255U);
  const ReadProfile usual{.kernel = "6.1.0-28-amd64", .device = "259:1", .file_system = "ext4"};
  EXPECT_EQ(profile_file_name(usual), "read_profile_259%3A1_ext4_6.1.0-28-amd64.json");
}

TEST_F(TuneCommandTest, KeepsAProfileOfTheDisk) {
  const std::string file = large_file();
  const Json json = json_of({"tune", file, "--seconds", "0.5", "--json"});
  EXPECT_THAT(keys_of(json), ElementsAre("schema", "path", "file", "profile_file", "profile",
                                         "direct", "buffered", "skipped", "read_bytes", "seconds"));
  EXPECT_EQ(json["file"], file);
  const std::string kept = json["profile_file"];
  EXPECT_EQ(std::filesystem::path(kept).parent_path(), cache_ + "/wpack");
  const Json profile = Json::parse(testing::read_file(kept));
  EXPECT_EQ(profile["wpack_read_profile"], 1);
  for (const char* key : {"kernel", "device", "file_system"})
    EXPECT_EQ(profile[key], json["profile"][key]) << key;
  EXPECT_GT(profile["first_touch_ns_per_mebibyte"]["small_pages"], 0);
  for (const char* kind : {"direct", "buffered"}) {
    EXPECT_THAT(keys_of(json[kind]), ElementsAre("outcome", "reason", "choice", "measured"));
    EXPECT_EQ(json[kind]["choice"], profile.value(kind, Json())) << kind;
  }
}

TEST_F(TuneCommandTest, KeepsTheFirstTouchAloneWhereThereIsLittleToRead) {
  const std::map<std::string, std::string> before = tree(container_);
  const Outcome outcome = run_here({"tune", container_, "--seconds", "0.2"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("not measured "));
  EXPECT_THAT(outcome.out, HasSubstr(" direct reads: "));
  EXPECT_THAT(outcome.out, HasSubstr("\nfirst touch "));
  EXPECT_THAT(outcome.out, HasSubstr(" " + cache_ + "/wpack/read_profile_"));
  EXPECT_EQ(tree(container_), before);
}

TEST_F(TuneCommandTest, ReplacesTheProfileOfTheSameDisk) {
  const std::string kept = keep([](Json& profile) { profile["comment"] = "old"; });
  EXPECT_EQ(json_of({"tune", container_, "--seconds", "0.2", "--json"})["profile_file"], kept);
  EXPECT_EQ(testing::read_file(kept).find("old"), std::string::npos);
  EXPECT_EQ(tree(cache_ + "/wpack").size(), 1U);
}

TEST_F(TuneCommandTest, IsShownByPlanAndDoctor) {
  (void)keep([](Json& profile) {
    profile["first_touch_ns_per_mebibyte"] = {{"small_pages", 262'144}, {"huge_pages", 104'858}};
  });
  for (const char* command : {"plan", "doctor"}) {
    const Outcome outcome = run_here({command, container_});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("\ntuned direct reads"));
    EXPECT_THAT(outcome.out, HasSubstr("  3 requests of 1.05 MB by pread\n"));
    EXPECT_THAT(outcome.out, HasSubstr("  0.250 s/GB, with huge pages 0.100 s/GB\n"));
    EXPECT_EQ(json_of({command, container_, "--json"})["profile"]["direct"]["depth"], 3);
    EXPECT_TRUE(json_of({command, container_, "--no-profile", "--json"})["profile"].is_null());
  }
}

TEST_F(TuneCommandTest, IsFollowedForBytesThatAreNotInThePageCache) {
  (void)keep([](Json& profile) {
    profile["first_touch_ns_per_mebibyte"] = {{"small_pages", 200'000}, {"huge_pages", 200'000}};
  });
  const Arguments plan = {"plan", container_, "--access", "read", "--json"};
  EXPECT_EQ(fate_of_profile(json_of(plan)), "it was measured on bytes that memory did not hold");
  EXPECT_EQ(json_of(plan)["shards"][0]["choice"]["first_touch_ns_per_mebibyte"], 200'000)
      << "what memory costs does not depend on where the bytes are";
  ASSERT_TRUE(drop_from_page_cache(container_ + "/00000.wps"));
  const Json cold = json_of(plan);
  const Json& facts = cold["shards"][0]["file"];
  if (facts["resident"] != 0) GTEST_SKIP() << "the shard stays in the page cache";
  EXPECT_THAT(fate_of_profile(cold),
              HasSubstr(facts["direct_alignment"].is_null() ? "2 requests of 4 MiB by pread"
                                                            : "3 requests of 1 MiB by pread"));
  EXPECT_EQ(json_of({"load", container_, "--access", "read", "--json"})["bytes"], 520);
}

TEST_F(TuneCommandTest, WarnsOfADamagedProfileAndIgnoresIt) {
  const std::string kept = keep([](Json&) {});
  write(kept, "{\"wpack_read_profile\": 1, \x1b");
  for (const char* command : {"plan", "doctor", "load"}) {
    const Outcome outcome = run_here({command, container_});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_THAT(outcome.err, HasSubstr("wpack: warning: the read profile is not followed"));
    EXPECT_THAT(outcome.err, HasSubstr("it is not valid JSON"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
    EXPECT_EQ(run_here({command, container_, "--no-profile"}).err, "");
  }
  EXPECT_TRUE(json_of({"plan", container_, "--json"})["profile"].is_null());
}

TEST_F(TuneCommandTest, WarnsOfAProfileThatIsOfAnotherPlace) {
  (void)keep([](Json& profile) { profile["kernel"] = "2.6.32\x1b[2J"; });
  const Outcome outcome = run_here({"load", container_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("the profile is of another kernel: 2.6.32\\x1b[2J"));
}

TEST_F(TuneCommandTest, RefusesAProfileWithANumberOutOfItsRange) {
  (void)keep([](Json& profile) { profile["direct"]["depth"] = 1'000'000; });
  EXPECT_THAT(run_here({"plan", container_}).err,
              HasSubstr("direct.depth must be a whole number from 1 to 64"));
}

TEST_F(TuneCommandTest, RefusesWhatIsNotThereAndWhatIsNoFile) {
  const Outcome missing = run_here({"tune", directory_.file("none.wpack")});
  EXPECT_EQ(missing.status, 5);
  EXPECT_EQ(missing.out, "");
  EXPECT_THAT(missing.err, HasSubstr("none.wpack: open failed: No such file"));
  EXPECT_EQ(run_here({"tune", "/dev/null"}).status, 3);
  EXPECT_THAT(tree(cache_ + "/wpack"), IsEmpty());
}

TEST_F(TuneCommandTest, RefusesATimeOutOfItsRange) {
  for (const char* seconds : {"0", "-1", "10.5", "nan", "inf"}) {
    const Outcome outcome = run_here({"tune", container_, "--seconds", seconds});
    EXPECT_EQ(outcome.status, 2) << seconds;
    EXPECT_THAT(outcome.err, HasSubstr("at most 10 seconds")) << seconds;
  }
}

TEST_F(TuneCommandTest, RefusesACacheDirectoryThatCannotBeWritten) {
  cache_ = directory_.write("file", "");
  const Outcome outcome = run_here({"tune", large_file()});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("file/wpack: creation of the directory failed: Not a dir"));
}

TEST_F(TuneCommandTest, KeepsInTheHomeDirectoryWhereNoOtherIsNamed) {
  const std::string home = directory_.path();
  const Arguments tune = {"tune", container_, "--seconds", "0.2"};
  const Outcome outcome = run(tune, [&] {
    ::setenv("XDG_CACHE_HOME", "relative", 1);
    ::setenv("HOME", home.c_str(), 1);
  });
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(tree(home + "/.cache/wpack").size(), 1U);
  const Outcome homeless = run(tune, [] {
    ::unsetenv("XDG_CACHE_HOME");
    ::unsetenv("HOME");
  });
  EXPECT_EQ(homeless.status, 5);
  EXPECT_THAT(homeless.err, HasSubstr("neither XDG_CACHE_HOME nor HOME"));
}

TEST_F(TuneCommandTest, KeepsNothingWhenItIsInterrupted) {
  const std::string file = large_file();
  if (json_of({"doctor", file, "--json"})["file"]["file_system"]["kind"] == "memory")
    GTEST_SKIP() << "there is nothing to wait for: the file is memory already";
  Command command({"tune", file}, [this] { ::setenv("XDG_CACHE_HOME", cache_.c_str(), 1); });
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  ASSERT_EQ(::kill(command.pid(), SIGINT), 0);
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_EQ(outcome.out, "");
  std::error_code ignored;
  EXPECT_TRUE(!std::filesystem::exists(cache_ + "/wpack", ignored) ||
              std::filesystem::is_empty(cache_ + "/wpack", ignored));
}

}  // namespace
}  // namespace wpack::cli
