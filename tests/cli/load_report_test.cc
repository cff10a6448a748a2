// What wpack load leaves in files and says of the way of the bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "sources.h"

namespace wpack::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;

class LoadReportTest : public ::testing::Test {
 protected:
  Json load(const Arguments& options) {
    Arguments arguments = {"load", container_, "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run_json(arguments);
  }
  // Of the files beside the container.
  [[nodiscard]] std::vector<std::string> names_with(std::string_view beginning) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().filename().string().starts_with(beginning))
        names.push_back(entry.path().filename().string());
    }
    return names;
  }
  static ino_t inode_of(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_ino;
  }

  TempDir directory_;
  std::string container_ = pack_file(directory_, "m", small_model());
};

TEST_F(LoadReportTest, ReplacesMetricsAtOnceForWhoeverReadsThem) {
  const std::string file = directory_.write("wpack.prom", "old\n");
  const ino_t before = inode_of(file);
  std::ifstream reader(file);
  (void)load({"--metrics-file", file});
  EXPECT_NE(inode_of(file), before);
  EXPECT_THAT(testing::read_file(file), HasSubstr("\nwpack_layers_acquired_total{"));
  std::string line;
  std::getline(reader, line);
  EXPECT_EQ(line, "old") << "who had opened it reads the old file";
  EXPECT_THAT(names_with("wpack.prom"), ::testing::ElementsAre("wpack.prom"));
}

TEST_F(LoadReportTest, LeavesNothingBehindWhereMetricsCannotBeReplaced) {
  const std::string folder = directory_.file("folder");
  std::filesystem::create_directory(folder);
  const Outcome outcome = run({"load", container_, "--metrics-file", folder});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_THAT(outcome.err, HasSubstr("folder: rename failed"));
  EXPECT_THAT(names_with("folder"), ::testing::ElementsAre("folder"));
}

TEST_F(LoadReportTest, WritesMetricsOfALoadThatFailed) {
  const std::string file = directory_.write("wpack.prom", "old\n");
  damage(container_ + "/00000.wps", 4096 + 10);
  const Outcome outcome = run({"load", container_, "--access", "read", "--metrics-file", file});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_EQ(outcome.out, "");
  const std::string text = testing::read_file(file);
  EXPECT_THAT(text, HasSubstr("\nwpack_layers_acquired_total{container=\"" + container_ +
                              "\",from=\"storage\"} 1\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("source=\"page_cache\"} 0\n")));
}

TEST_F(LoadReportTest, WritesMetricsWhereNothingCouldBeOpened) {
  const std::string file = directory_.write("wpack.prom", "old\n");
  const Outcome outcome = run({"load", directory_.file("none"), "--metrics-file", file});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_THAT(testing::read_file(file), HasSubstr("from=\"storage\"} 0\n"));
}

TEST_F(LoadReportTest, WarnsOfMetricsThatCannotBeWrittenAfterALoadThatFailed) {
  damage(container_ + "/00000.wps", 4096 + 10);
  const Outcome outcome =
      run({"load", container_, "--access", "read", "--metrics-file", directory_.file("none/file")});
  EXPECT_EQ(outcome.status, 4) << "why the load failed";
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("warning: "), HasSubstr("none/file"), HasSubstr("is damaged")));
}

TEST_F(LoadReportTest, SaysWhatIsHeldAndUnderWayAtTheEnd) {
  const Json plain = load({"--access", "read"});
  EXPECT_EQ(plain["reads_in_flight"], 0);
  EXPECT_GE(plain["memory_bytes"], 520);
  EXPECT_EQ(plain["memory_bytes"], plain["peak_memory_bytes"]);
  EXPECT_EQ(plain["reused_memory_bytes"], 0);
  EXPECT_EQ(plain["stall_seconds"].size(), 5U);
  const Json streamed = load({"--budget", "64KiB"});
  EXPECT_LE(streamed["memory_bytes"], 64 << 10);
}

TEST_F(LoadReportTest, SaysWhichWayTheBytesCame) {
  const Json read = load({"--access", "read"});
  EXPECT_EQ(read["direct_bytes"].get<int>() + read["buffered_bytes"].get<int>(),
            read["read_bytes"]);
  EXPECT_EQ(read["brought_in_bytes"], 0);
  const Json mapped = load({"--access", "map"});
  EXPECT_GT(mapped["brought_in_bytes"], 0);
  EXPECT_LT(mapped["brought_in_bytes"], mapped["mapped_bytes"]);
}

TEST_F(LoadReportTest, TracesReadsInPairsAndCountsWhatIsHeld) {
  const std::string file = directory_.file("trace.json");
  (void)load({"--trace", file, "--access", "read"});
  std::map<int, std::string> reads;
  std::map<std::string, int> counters;
  const Json trace = Json::parse(testing::read_file(file));
  for (const Json& event : trace["traceEvents"]) {
    if (event.contains("id")) reads[event["id"].get<int>()] += event["ph"].get<std::string>();
    if (event["ph"] == "C") ++counters[event["name"]];
  }
  EXPECT_FALSE(reads.empty());
  for (const auto& [id, letters] : reads) EXPECT_EQ(letters, "be") << "read " << id;
  EXPECT_GT(counters["reads in flight"], 0);
  EXPECT_GT(counters["memory held"], 0);
}

}  // namespace
}  // namespace wpack::cli
