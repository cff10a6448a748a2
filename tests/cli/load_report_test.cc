// What wpack load leaves in files, and what it says of a load through a staging ring.
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

class LoadDeviceTest : public LoadReportTest {};

TEST_F(LoadDeviceTest, CopiesEveryLayerThroughARingOfTheUsualSize) {
  const Json json = load({"--device", "host", "--touch", "bytes"});
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(json["layer_count"], 3);
  EXPECT_EQ(json["bytes"], 520);
  EXPECT_EQ(json["access"], "read");
  EXPECT_EQ(json["access_reason"], "as --device asks");
  EXPECT_EQ(json["word_sum"], load({"--touch", "bytes"})["word_sum"]);
  EXPECT_EQ(json["staging"]["slot_count"], 8);
  EXPECT_EQ(json["staging"]["slot_bytes"], 8 << 20);
  EXPECT_GE(json["staging"]["copied_bytes"], 520);
  EXPECT_EQ(json["staging"]["copied_bytes"], json["device"]["copied_bytes"]);
  EXPECT_EQ(json["device"]["name"], "host");
  EXPECT_GE(json["device"]["peak_bytes"], 520) << "all layers stay";
  const Json without = load({});
  EXPECT_TRUE(without["staging"].is_null());
  EXPECT_TRUE(without["device"].is_null());
}

TEST_F(LoadDeviceTest, SaysForPeopleWhatWentThroughTheRing) {
  const Outcome outcome = run({"load", container_, "--device", "host"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.out, HasSubstr("\nstaging       8 slots of 8.39 MB, "));
  EXPECT_THAT(outcome.out, HasSubstr("\ndevice        host: "));
}

TEST_F(LoadDeviceTest, CutsThePinnedBudgetIntoSlotsThatHoldAChunk) {
  const auto slots = [&](const char* budget) {
    const Json staging = load({"--device", "host", "--pinned-budget", budget})["staging"];
    return std::pair(staging["slot_count"].get<int>(), staging["slot_bytes"].get<int>());
  };
  EXPECT_EQ(slots("256MiB"), std::pair(32, 8 << 20));
  EXPECT_EQ(slots("32MiB"), std::pair(8, 4 << 20));
  EXPECT_EQ(slots("5MiB"), std::pair(2, 2 << 20));
  EXPECT_EQ(slots("1025KiB"), std::pair(1, 1 << 20));
}

TEST_F(LoadDeviceTest, KeepsTheRingAndTheDeviceWithinTheBudgetTogether) {
  const Json json = load({"--device", "host", "--pinned-budget", "4MiB", "--budget", "6MiB"});
  EXPECT_EQ(json["bytes"], 520);
  EXPECT_EQ(json["peak_memory_bytes"], 4 << 20) << "the ring";
  EXPECT_LE(json["device"]["peak_bytes"], 2 << 20);
  const Outcome ring =
      run({"load", container_, "--device", "host", "--pinned-budget", "4MiB", "--budget", "2MiB"});
  EXPECT_EQ(ring.status, 6);
  EXPECT_THAT(ring.err,
              HasSubstr("m.wpack: allocation of 4194304 bytes: 4194304 bytes are over the"));
  const Outcome layer =
      run({"load", container_, "--device", "host", "--pinned-budget", "4MiB", "--budget", "4MiB"});
  EXPECT_EQ(layer.status, 6);
  EXPECT_THAT(layer.err, HasSubstr("over the budget: 0 of 0 bytes are in use"));
}

TEST_F(LoadDeviceTest, FailsAtItsDeadline) {
  const Outcome outcome = run({"load", container_, "--device", "host", "--deadline", "1e-9"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("the deadline passed"));
}

TEST_F(LoadDeviceTest, RefusesOptionsThatDoNotGoTogether) {
  const auto expect_refused = [&](const Arguments& options, const char* message) {
    Arguments arguments = {"load", container_};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr(message));
  };
  expect_refused({"--pinned-budget", "64MiB"}, "--pinned-budget");
  expect_refused({"--device", "gpu"}, "'gpu' is none of host");
  expect_refused({"--device", "host", "--pinned-budget", "1000"}, "multiple of 4096");
  expect_refused({"--device", "host", "--tp-rank", "0", "--tp-size", "1", "--tp-rules", "x"},
                 "--device");
}

}  // namespace
}  // namespace wpack::cli
