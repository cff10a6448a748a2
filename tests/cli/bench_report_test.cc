// How contestants are named, what they report, and how that is put together.
#include "bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bench_contestants.h"
#include "bench_disk.h"
#include "support/temp_dir.h"

namespace wpack::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::TempDir;

TEST(AgainstTest, TakesAKindAndAPath) {
  const auto torch = parse_against("torch-mmap:a:b.pth");
  ASSERT_TRUE(torch);
  EXPECT_EQ(torch->kind, AgainstKind::kTorchMmap);
  EXPECT_EQ(torch->path, "a:b.pth");
  const auto fio = parse_against("fio");
  ASSERT_TRUE(fio);
  EXPECT_EQ(fio->kind, AgainstKind::kFio);
}

TEST(AgainstTest, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "onnx:x", "torch", "torch:", "fio:", "fio:x", "Torch:x", ":x"}) {
    const auto against = parse_against(text);
    ASSERT_FALSE(against) << text;
    EXPECT_EQ(against.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(against.error().message(), HasSubstr("'" + std::string(text) + "' "));
  }
}

const BenchTools kTools = {.program = "/bin/wpack", .scripts = "/share", .python = "python"};
const LoadOrder kOrder = {.first_layer = "model.layers.0", .first = {"a", "b"}, .tied = {"c"}};

TEST(ContestantTest, StandsForTheFilesOfADirectory) {
  const TempDir directory;
  const std::string second = directory.write("2.bin", "x");
  const std::string first = directory.write("1.bin", "x");
  (void)directory.write("config.json", "{}");
  const auto contestant =
      contestant_of(kTools, {AgainstKind::kTorch, directory.path().string()}, kOrder);
  ASSERT_TRUE(contestant) << contestant.error().message();
  EXPECT_THAT(contestant->files, ElementsAre(first, second));
  EXPECT_THAT(command_line(*contestant, Touch::kBytes),
              ElementsAre("python", "-B", "/share/load_checkpoint.py", "torch", "--first", "a",
                          "--first", "b", "--tied", "c", "--touch", "bytes", "--", first, second));
  const auto none =
      contestant_of(kTools, {AgainstKind::kSafetensors, directory.path().string()}, kOrder);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kBadInput);
}

TEST(ContestantTest, RunsThisProgramAgainWithItsOptions) {
  const Contestant contestant =
      wpack_contestant(kTools, "m.wpack", {"m.wpack/0"}, kOrder, {"--verify", "full"});
  EXPECT_EQ(contestant.name, "wpack --verify full");
  EXPECT_THAT(command_line(contestant, Touch::kPages),
              ElementsAre("/bin/wpack", "load", "--json", "--first", "model.layers.0", "--verify",
                          "full", "--touch", "pages", "--", "m.wpack"));
}

TEST(ReportTest, ReadsWhatAContestantPrints) {
  const auto report = parse_report(
      R"({"total_seconds": 2, "first_tensor_seconds": 0.5, "first_layer_seconds": null,
          "cpu_seconds": 1.5, "bytes": 7, "word_sum": 18446744073709551615, "versions": "x 1"})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->run.seconds, 2);
  EXPECT_EQ(report->run.first_tensor_seconds, 0.5);
  EXPECT_FALSE(report->run.first_layer_seconds);
  EXPECT_EQ(report->run.cpu_seconds, 1.5);
  EXPECT_FALSE(report->run.machine_cpu_seconds) << "it did not say";
  EXPECT_FALSE(report->run.anonymous_bytes);
  EXPECT_FALSE(report->run.import_seconds);
  EXPECT_EQ(report->run.bytes, 7U);
  EXPECT_EQ(report->run.word_sum, 18446744073709551615U);
  EXPECT_EQ(report->versions, "x 1");
}

TEST(ReportTest, ReadsWhyAContestantCannotRun) {
  const auto report = parse_report(R"({"skipped": "no torch"})");
  ASSERT_TRUE(report);
  EXPECT_EQ(report->skipped, "no torch");
}

TEST(ReportTest, RefusesWhatIsNoReport) {
  for (const char* text : {"", "[]", "{}", "{\"total_seconds\": \"1\"}", "{\"total_seconds\": 0}",
                           "{\"total_seconds\": 1", "warning\n{\"total_seconds\": 1}"}) {
    EXPECT_FALSE(parse_report(text)) << text;
  }
}

TEST(FioTest, FindsTheRateBehindWarnings) {
  const auto rate = parse_fio_rate(
      "fio: some warning\n{\"jobs\": [{\"read\": {\"io_bytes\": 1048576, \"bw_bytes\": 5}}]}\n");
  ASSERT_TRUE(rate);
  EXPECT_EQ(*rate, 5);
}

TEST(FioTest, RefusesAnAnswerWithoutARate) {
  for (const char* text :
       {"", "no json", "{}", "[]", R"({"jobs": []})", R"({"jobs": [{"read": 1}]})",
        R"({"jobs": [{"read": {"io_bytes": 1, "bw_bytes": "5"}}]})"}) {
    EXPECT_FALSE(parse_fio_rate(text)) << text;
  }
  const auto nothing = parse_fio_rate(R"({"jobs": [{"read": {"io_bytes": 0, "bw_bytes": 0}}]})");
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message(), HasSubstr("read nothing"));
}

TEST(DiskRatesTest, MeasuresNothingWithAReason) {
  DiskRates disk({"no such file"}, "not wanted");
  disk.sample();
  EXPECT_EQ(disk.reason(), "not wanted");
  EXPECT_FALSE(disk.around_last_run());
  EXPECT_TRUE(disk.samples().empty());
}

Row row_of(std::size_t contestant, CacheState cache, std::vector<double> seconds,
           std::optional<std::uint64_t> sum = std::nullopt) {
  Row row{.contestant = contestant, .cache = cache, .touch = Touch::kPages, .runs = {}};
  for (const double value : seconds) {
    Run run;
    run.seconds = value;
    run.bytes = 1'000'000'000;
    run.word_sum = sum;
    row.runs.push_back(run);
  }
  return row;
}

BenchResult sample_result() {
  BenchResult result;
  result.container = "m.wpack";
  result.plan.contestants = {{.name = "wpack", .command = {"w"}, .operands = {}, .files = {}},
                             {.name = "torch", .command = {"t"}, .operands = {}, .files = {}}};
  result.plan.rounds = 2;
  result.plan.same_bytes = 1'000'000'000;
  result.rounds.versions = {"", "torch 2"};
  result.rounds.rows = {row_of(0, CacheState::kCold, {1, 2}), row_of(1, CacheState::kCold, {4, 6}),
                        row_of(0, CacheState::kWarm, {1, 2}), row_of(1, CacheState::kWarm, {})};
  result.rounds.rows[3].reason = "no\ntorch";
  result.disk_reason = "fio is not installed";
  return result;
}

TEST(ReportTest, PairsTheRunsOfARound) {
  const auto entries = compare_rows(sample_result().rounds);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].row, 1U);
  EXPECT_THAT(entries[0].ratios, ElementsAre(4, 3));
  EXPECT_EQ(entries[0].comparison.ratio.median, 3.5);
  EXPECT_EQ(entries[0].comparison.verdict, Verdict::kTooFew);
}

TEST(ReportTest, GivesAReasonInPlaceOfARow) {
  Output out;
  print_bench(sample_result(), out);
  EXPECT_THAT(std::string(out.text()), HasSubstr("\ntorch, warm: not measured: no\\x0atorch\n"));
  EXPECT_THAT(std::string(out.text()),
              HasSubstr("\nno ratios to the disk: fio is not installed\n"));
  EXPECT_THAT(std::string(out.text()), ::testing::Not(HasSubstr("torch       warm")));
}

TEST(ReportTest, ShowsADashForWhatAContestantDidNotReport) {
  BenchResult result = sample_result();
  result.rounds.rows.resize(1);
  for (auto& one : result.rounds.rows[0].runs) one.cpu_seconds = 3;
  const Json json = bench_json(result);
  EXPECT_EQ(json["rows"][0]["cpu_seconds_per_gigabyte"]["median"], 3.0);
  for (const char* key :
       {"machine_cpu_seconds_per_gigabyte", "anonymous_bytes_per_byte", "import_seconds"}) {
    EXPECT_EQ(json["rows"][0][key], nullptr) << key;
  }
  for (const char* key : {"machine_cpu_seconds", "anonymous_bytes", "import_seconds"}) {
    EXPECT_EQ(json["rows"][0]["runs"][0][key], nullptr) << key;
  }
  Output out;
  print_bench(result, out);
  const std::string text(out.text());
  std::istringstream row(text.substr(text.find("\nwpack ")));
  std::string words;
  for (std::string word; row >> word && word != "no";) words += word + ' ';
  // "/ fio", CPU and the machine's, the process's, private, cache, first tensor and layer, import.
  EXPECT_THAT(words, EndsWith(" - 3 - 0 us - 0 - - - "));
  result.rounds.rows[0].runs[0].bytes = 0;
  EXPECT_EQ(bench_json(result)["rows"][0]["cpu_seconds_per_gigabyte"], nullptr);
}

TEST(ReportTest, SaysWhetherRunsStartedFromMemoryThatCostTheSame) {
  BenchResult result = sample_result();
  Output nothing;
  print_bench(result, nothing);
  EXPECT_THAT(std::string(nothing.text()), ::testing::Not(HasSubstr("fresh memory")));
  result.rounds.rows[0].runs[0].first_touch = 0.25;
  result.rounds.rows[0].runs[1].first_touch = 0.75;
  result.rounds.rows[1].runs[0].first_touch = 0.5;
  result.rounds.rows[1].runs[1].first_touch = 0.625;
  Output out;
  print_bench(result, out);
  EXPECT_THAT(std::string(out.text()),
              HasSubstr("\nfresh memory before cold runs: 0.562 s/GB (0.25 - 0.75), medians of "
                        "rows 0.5 - 0.562\n"));
  EXPECT_EQ(bench_json(result)["rows"][1]["runs"][0]["first_touch_seconds_per_gigabyte"], 0.5);
}

TEST(ReportTest, HoldsEveryRunAsJson) {
  const Json json = bench_json(sample_result());
  EXPECT_EQ(json["rows"].size(), 4U);
  EXPECT_EQ(json["rows"][1]["contestant"], "torch");
  EXPECT_EQ(json["rows"][1]["seconds"], Json::parse(R"({"median": 5.0, "min": 4.0, "max": 6.0})"));
  EXPECT_EQ(json["rows"][1]["runs"][1]["seconds"], 6.0);
  EXPECT_EQ(json["rows"][1]["disk_ratio"], nullptr);
  EXPECT_EQ(json["rows"][3]["reason"], "no\ntorch");
  EXPECT_EQ(json["rows"][3]["seconds"], nullptr);
  EXPECT_EQ(json["comparisons"][0]["verdict"], "too few runs");
  EXPECT_EQ(json["contestants"][1]["versions"], "torch 2");
  EXPECT_EQ(json["disk"]["reason"], "fio is not installed");
  EXPECT_EQ(json["sums_agree"], nullptr);
}

TEST(ReportTest, NoticesContestantsThatLoadedOtherBytes) {
  BenchResult result = sample_result();
  result.rounds.rows[0] = row_of(0, CacheState::kCold, {1, 2}, 7);
  result.rounds.rows[1] = row_of(1, CacheState::kCold, {4, 6}, 7);
  EXPECT_EQ(sums_agree(result.rounds), true);
  result.rounds.rows[1].runs[1].word_sum = 8;
  EXPECT_EQ(sums_agree(result.rounds), false);
  Output out;
  print_bench(result, out);
  EXPECT_THAT(std::string(out.text()), HasSubstr("did not load the same bytes"));
}

TEST(ReportTest, DrawsOnlyWhatWasMeasured) {
  const Chart chart = bench_chart(sample_result());
  ASSERT_EQ(chart.groups.size(), 2U);
  EXPECT_EQ(chart.groups[0].bars.size(), 2U);
  EXPECT_EQ(chart.groups[1].bars.size(), 1U);
  EXPECT_EQ(chart.groups[0].bars[1].value, 5);
  EXPECT_EQ(chart.groups[0].bars[1].low, 4);
}

}  // namespace
}  // namespace wpack::cli
