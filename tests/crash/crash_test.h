// What the tests of crashes share: a scenario of each kind, and the calls of its undisturbed run.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/sources.h"
#include "crash/scenario.h"
#include "crash/traced_command.h"

namespace wpack::crash {

// Lets a call pass, but does not wait for the disk: what the kernel has outlives a process.
inline Action let_pass(const SystemCall& call) {
  return {call.name == "fsync" ? Action::Kind::kSkip : Action::Kind::kLetPass};
}

class CrashTest : public ::testing::TestWithParam<RunKind> {
 protected:
  void SetUp() override {
    if (const std::string reason = TracedCommand::unavailable(); !reason.empty())
      GTEST_SKIP() << "no system calls can be traced here: " << reason;
    scenario_ = std::make_unique<Scenario>(GetParam());
    RecordProperty("file_system", file_system_of(scenario_->folder()));
    if (GetParam() == RunKind::kReplacePack && !can_exchange_names(scenario_->folder()))
      GTEST_SKIP() << file_system_of(scenario_->folder()) << " cannot exchange two names";
    sources_ = cli::tree(scenario_->sources());
  }

  // The changing calls of an undisturbed run, in their order.
  [[nodiscard]] std::vector<SystemCall> record() const {
    return record(scenario_->folder(), Watch::kChanges);
  }
  // The calls that work on something in `folder`.
  [[nodiscard]] std::vector<SystemCall> record(const std::string& folder, Watch watch) const {
    std::vector<SystemCall> calls;
    scenario_->reset();
    TracedCommand command(scenario_->arguments(), folder, watch);
    const auto outcome = command.run([](const SystemCall&) { return Action{}; },
                                     [&](const SystemCall& call) { calls.push_back(call); });
    EXPECT_EQ(outcome->status, 0) << outcome->err;
    return calls;
  }

  // Runs the command with `action` at call number `position`, which must be `expected`.
  [[nodiscard]] cli::Outcome run_with(Action action, std::size_t position,
                                      const std::string& expected) const {
    return run_with(action, position, expected, scenario_->folder(), Watch::kChanges);
  }
  // The same, counting calls that work on something in `folder`.
  [[nodiscard]] cli::Outcome run_with(Action action, std::size_t position,
                                      const std::string& expected, const std::string& folder,
                                      Watch watch) const {
    std::size_t seen = 0;
    std::string met;
    TracedCommand command(scenario_->arguments(), folder, watch);
    const auto outcome = command.run([&](const SystemCall& call) {
      if (seen++ != position) return let_pass(call);
      met = signature(*scenario_, call);
      return action;
    });
    EXPECT_EQ(met, expected) << "the run was disturbed elsewhere, or not at all";
    return *outcome;
  }

  // Runs it undisturbed.
  [[nodiscard]] cli::Outcome run(const cli::Arguments& arguments) const {
    TracedCommand command(arguments, scenario_->folder(), Watch::kChanges);
    return *command.run(let_pass);
  }

  [[nodiscard]] Tree folder_tree() const { return cli::tree(scenario_->folder()); }
  [[nodiscard]] std::string target_name() const {
    return scenario_->target().substr(scenario_->folder().size() + 1);
  }
  void expect_sources_untouched() const { EXPECT_EQ(cli::tree(scenario_->sources()), sources_); }

  std::unique_ptr<Scenario> scenario_;
  Tree sources_;
};

inline std::string kind_name(const ::testing::TestParamInfo<RunKind>& test) {
  return name_of(test.param);
}

// A tree is as long as its files: on failure, only their sizes and hashes are of use.
MATCHER_P(IsTree, expected, "is the tree\n" + describe(expected)) {
  *result_listener << "\n" << describe(arg);
  return arg == expected;
}

}  // namespace wpack::crash
