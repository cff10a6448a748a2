// A source that somebody writes to while the command reads it: the run stops at its first write,
// the source changes, and the run goes on.
#include <filesystem>
#include <fstream>
#include <functional>

#include "crash/crash_test.h"

namespace wpack::crash {
namespace {

namespace fs = std::filesystem;

struct SourceChange {
  const char* name;
  std::function<void(const std::string& path)> change;
};

class SourceChangeTest : public ::testing::TestWithParam<SourceChange> {};

TEST_P(SourceChangeTest, IsNoticedAndNothingIsLeftBehind) {
  if (const std::string reason = TracedCommand::unavailable(); !reason.empty())
    GTEST_SKIP() << "no system calls can be traced here: " << reason;
  const Scenario scenario(RunKind::kLargePack);
  const std::string source = scenario.sources() + "/new.safetensors";
  TracedCommand command(scenario.arguments(), scenario.folder(), Watch::kChanges);
  const auto ended = command.run([](const SystemCall& call) {
    return Action{call.name == "pwrite64" ? Action::Kind::kHold : Action::Kind::kLetPass};
  });
  ASSERT_FALSE(ended);
  GetParam().change(source);
  const auto outcome = command.run(let_pass);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, 5) << outcome->err;
  EXPECT_EQ(outcome->out, "");
  EXPECT_THAT(outcome->err, ::testing::StartsWith("wpack: error: "));
  EXPECT_THAT(outcome->err, ::testing::HasSubstr(source + ": "));
  EXPECT_EQ(std::ranges::count(outcome->err, '\n'), 1) << outcome->err;
  EXPECT_THAT(cli::tree(scenario.folder()), IsTree(scenario.before()));
}

void write_front(const std::string& path) {
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(4096) << "changed";
  fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(1));
}

const SourceChange kChanges[] = {
    {"Grows", [](const std::string& path) { std::ofstream(path, std::ios::app) << "more"; }},
    {"LosesAByte", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 1); }},
    {"IsCutInItsHeader", [](const std::string& path) { fs::resize_file(path, 100); }},
    {"IsEmptied", [](const std::string& path) { fs::resize_file(path, 0); }},
    {"IsWrittenTo", write_front},
    {"IsCutAndGrowsAgain",
     [](const std::string& path) {
       const auto size = fs::file_size(path);
       fs::resize_file(path, 100);
       fs::resize_file(path, size);
       write_front(path);
     }},
};

INSTANTIATE_TEST_SUITE_P(Changes, SourceChangeTest, ::testing::ValuesIn(kChanges),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace wpack::crash
