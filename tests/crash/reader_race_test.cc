// A container is replaced at each moment of a reader's life: it reads the old one or the new one.
#include <fmt/format.h>

#include <filesystem>

#include "crash/crash_test.h"

namespace wpack::crash {
namespace {

constexpr std::uint32_t kShards = 18;  // more than are opened first

class ReaderRaceTest : public ::testing::TestWithParam<cli::Arguments> {
 protected:
  void SetUp() override {
    if (const std::string reason = TracedCommand::unavailable(); !reason.empty())
      GTEST_SKIP() << "no system calls can be traced here: " << reason;
    if (!can_exchange_names(folder_))
      GTEST_SKIP() << file_system_of(folder_) << " cannot exchange two names";
    for (const std::uint32_t version : {0U, 1U})
      (void)directory_.write(fmt::format("{}.safetensors", version),
                             make_model(version, kShards, 40'000));
  }

  void replace(std::size_t version) {
    TracedCommand command({"pack", fmt::format("{}/{}.safetensors", folder_, version % 2), "-o",
                           target_, "--shard-size", "65536", "--force"},
                          folder_, Watch::kChanges);
    const auto outcome = command.run(let_pass);
    ASSERT_EQ(outcome->status, 0) << outcome->err;
  }

  [[nodiscard]] std::unique_ptr<TracedCommand> start_reader() const {
    cli::Arguments arguments = GetParam();
    arguments.push_back(target_);
    return std::make_unique<TracedCommand>(arguments, folder_, Watch::kEverything);
  }

  testing::TempDir directory_;
  std::string folder_ = std::filesystem::canonical(directory_.path());
  std::string target_ = folder_ + "/m.wpack";
};

std::string reader_name(const ::testing::TestParamInfo<cli::Arguments>& test) {
  constexpr const char* kNames[] = {"Verify", "LoadMapped", "LoadRead"};
  return kNames[test.index];
}

INSTANTIATE_TEST_SUITE_P(Commands, ReaderRaceTest,
                         ::testing::Values(cli::Arguments{"verify"},
                                           cli::Arguments{"load", "--access", "map"},
                                           cli::Arguments{"load", "--access", "read"}),
                         reader_name);

TEST_P(ReaderRaceTest, ReadsOneOfTheTwoWhole) {
  ASSERT_NO_FATAL_FAILURE(replace(1));
  std::vector<SystemCall> calls;
  const auto undisturbed =
      start_reader()->run([](const SystemCall&) { return Action{}; },
                          [&](const SystemCall& call) { calls.push_back(call); });
  ASSERT_EQ(undisturbed->status, 0) << undisturbed->err;
  ASSERT_GT(calls.size(), 3U * kShards);
  const auto first_shard = std::ranges::find_if(
      calls, [](const SystemCall& call) { return call.path.ends_with("00000.wps"); });
  // Each moment of opening the index, and some of those after it.
  const auto opened = static_cast<std::size_t>(first_shard - calls.begin());
  for (std::size_t moment = 0; moment < calls.size(); moment += moment <= opened ? 1 : 9) {
    SCOPED_TRACE(fmt::format("before {}: {} {}", moment, calls[moment].name, calls[moment].path));
    std::size_t seen = 0;
    const auto reader = start_reader();
    ASSERT_FALSE(reader->run([&](const SystemCall&) {
      return Action{seen++ == moment ? Action::Kind::kHold : Action::Kind::kLetPass};
    }));
    // Twice, so that what the first one left is swept if nobody holds it.
    ASSERT_NO_FATAL_FAILURE(replace(0));
    ASSERT_NO_FATAL_FAILURE(replace(1));
    const auto outcome = reader->run([](const SystemCall&) { return Action{}; });
    EXPECT_EQ(outcome->status, 0) << outcome->err;
  }
  ASSERT_NO_FATAL_FAILURE(replace(0));
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("0.safetensors", "1.safetensors", "m.wpack"));
}

}  // namespace
}  // namespace wpack::crash
