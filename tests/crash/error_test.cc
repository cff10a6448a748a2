// ENOSPC and EIO at each system call by which a run changes the file system, EIO at every other
// call that touches it, and the errors that a run has an answer to.
#include <fcntl.h>
#include <linux/fs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "crash/crash_test.h"

namespace wpack::crash {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Fault {
  int error;
  int status;
  const char* cause;
};
constexpr Fault kFaults[] = {{ENOSPC, 6, "No space left on device"},
                             {EIO, 5, "Input/output error"}};

// What an error calls the operation whose system call failed.
std::string operation_of(const SystemCall& call) {
  static const std::map<std::string_view, std::string> words = {
      {"openat", "create"},     {"mkdirat", "create directory"}, {"pwrite64", "write"},
      {"fallocate", "reserve"}, {"ftruncate", "truncate"},       {"fsync", "fsync"},
      {"renameat2", "rename"},  {"renameat", "rename"},
  };
  if (call.name == "renameat2" && call.arguments[4] == RENAME_EXCHANGE) return "exchange";
  const auto found = words.find(call.name);
  return found == words.end() ? std::string(call.name) : found->second;
}

class ErrorTest : public CrashTest {
 protected:
  // What an error of a call comes to.
  enum class Outcome {
    kFailure,         // the run fails, and leaves nothing behind
    kNothing,         // the run succeeds: the call was a hint
    kLeaving,         // the run succeeds: what it could not remove is swept by the next
    kUnsyncedTarget,  // the run fails after the target got its name
  };

  [[nodiscard]] Outcome expected_of(const SystemCall& call) const {
    if (call.name == "sync_file_range") return Outcome::kNothing;
    if (call.name == "unlinkat") return Outcome::kLeaving;
    if (call.name == "fsync" && call.path == scenario_->folder()) return Outcome::kUnsyncedTarget;
    return Outcome::kFailure;
  }

  // One line that says what failed, where and why; it names the target or a file in it.
  void expect_error(const cli::Outcome& outcome, const SystemCall& call, const Fault& fault) const {
    EXPECT_EQ(outcome.status, fault.status) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("wpack: error: " + scenario_->target()));
    EXPECT_THAT(outcome.err, EndsWith(std::string(": ") + fault.cause + "\n"));
    EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(operation_of(call)));
    const std::string file = call.path.substr(call.path.rfind('/') + 1);
    if (file.ends_with(".wps") || file.ends_with(".wpi")) {
      EXPECT_THAT(outcome.err, HasSubstr(target_name() + "/" + file));
    }
  }

  // A run that succeeds sweeps what the one before it could not remove.
  void expect_swept(bool kept) {
    const std::vector<std::string> leavings = scenario_->leavings();
    EXPECT_EQ(leavings.size(), kept ? 1U : 0U);
    const cli::Outcome next = run(scenario_->arguments_of_next_run());
    EXPECT_EQ(next.status, 0) << next.err;
    for (const std::string& name : leavings) EXPECT_THAT(next.out, HasSubstr(name));
    EXPECT_THAT(folder_tree(), IsTree(scenario_->after()));
  }

  void fail_at(std::size_t position, const SystemCall& call, const Fault& fault) {
    SCOPED_TRACE(std::string(fault.cause) + " at " + std::to_string(position) + ": " +
                 signature(*scenario_, call));
    scenario_->reset();
    const cli::Outcome outcome =
        run_with({Action::Kind::kFail, fault.error}, position, signature(*scenario_, call));
    const Tree left = folder_tree();
    expect_sources_untouched();
    const Outcome expected = expected_of(call);
    if (expected == Outcome::kFailure) {
      expect_error(outcome, call, fault);
      EXPECT_THAT(left, IsTree(scenario_->before()));
      return;
    }
    EXPECT_THAT(below(left, target_name()), IsTree(below(scenario_->after(), target_name())));
    if (expected == Outcome::kUnsyncedTarget) {
      expect_error(outcome, call, fault);
      return expect_swept(scenario_->packs() && scenario_->replaces());
    }
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    if (expected == Outcome::kNothing) {
      EXPECT_THAT(left, IsTree(scenario_->after()));
      return;
    }
    const bool kept = !scenario_->leavings().empty();
    if (kept) {
      EXPECT_THAT(outcome.out, HasSubstr("kept what is left of the replaced container"));
    }
    expect_swept(kept);
  }
};

INSTANTIATE_TEST_SUITE_P(Runs, ErrorTest, ::testing::ValuesIn(kAllRuns), kind_name);

TEST_P(ErrorTest, NamesWhatFailedAndLeavesNothingBehind) {
  const std::vector<SystemCall> calls = record();
  EXPECT_GE(calls.size(), scenario_->packs() ? 20U : 8U);
  for (std::size_t position = 0; position < calls.size() && !HasFailure(); ++position) {
    for (const Fault& fault : kFaults) fail_at(position, calls[position], fault);
  }
  RecordProperty("errors", static_cast<int>(2 * calls.size()));
}

// Calls that look, lock or open. Some are hints, and some have an answer, so all that is asked is a
// run that succeeds, or one that fails in one line and leaves nothing behind.
class LookingErrorTest : public ErrorTest {
 protected:
  void fail_everywhere(const std::string& folder) {
    const std::vector<SystemCall> calls = record(folder, Watch::kEverything);
    std::size_t failed = 0;
    for (std::size_t position = 0; position < calls.size() && !HasFailure(); ++position) {
      if (is_change(calls[position])) continue;
      const std::string call = signature(*scenario_, calls[position]);
      SCOPED_TRACE(std::to_string(position) + ": " + call);
      scenario_->reset();
      const cli::Outcome outcome =
          run_with({Action::Kind::kFail, EIO}, position, call, folder, Watch::kEverything);
      expect_sources_untouched();
      if (outcome.status == 0) {
        EXPECT_THAT(below(folder_tree(), target_name()),
                    IsTree(below(scenario_->after(), target_name())));
        expect_swept(!scenario_->leavings().empty());
        continue;
      }
      ++failed;
      EXPECT_EQ(outcome.status, 5) << outcome.err;
      EXPECT_EQ(outcome.out, "");
      EXPECT_THAT(outcome.err, StartsWith("wpack: error: "));
      EXPECT_THAT(outcome.err, HasSubstr(folder));
      EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
      EXPECT_THAT(folder_tree(), IsTree(scenario_->before()));
    }
    EXPECT_GT(failed, 0U);
  }

 private:
  static bool is_change(const SystemCall& call) {
    if (call.name == "openat") return (call.arguments[2] & O_CREAT) != 0;
    return std::ranges::any_of(changing_calls(),
                               [&](const CallShape& shape) { return shape.name == call.name; });
  }
};

INSTANTIATE_TEST_SUITE_P(Runs, LookingErrorTest, ::testing::ValuesIn(kSmallRuns), kind_name);

TEST_P(LookingErrorTest, ComesToNothingOrToOneLine) { fail_everywhere(scenario_->folder()); }
TEST_P(LookingErrorTest, NamesTheSourceThatCannotBeRead) { fail_everywhere(scenario_->sources()); }

// Errors that file systems and signals cause, and what a run does about them.
struct Answer {
  const char* name;
  const char* call;
  int error;
  enum { kOnce, kAlways } how;
  std::vector<RunKind> kinds;
  int status = 0;
  const char* part = "";  // of the message
};

const std::vector<RunKind> kEvery = {std::begin(kSmallRuns), std::end(kSmallRuns)};
const std::vector<RunKind> kUnpacks = {RunKind::kUnpack, RunKind::kReplaceUnpack};
const std::vector<RunKind> kPacks = {RunKind::kPack, RunKind::kReplacePack};

const Answer kAnswers[] = {
    {"CannotReserve", "fallocate", EOPNOTSUPP, Answer::kAlways, kEvery},
    {"HasNoFallocate", "fallocate", ENOSYS, Answer::kAlways, kEvery},
    {"CannotKeepTheSize", "fallocate", EINVAL, Answer::kAlways, kEvery},
    {"CannotWriteBack", "sync_file_range", EINVAL, Answer::kAlways, kEvery},
    {"CannotSyncDirectories", "fsync of a directory", EINVAL, Answer::kAlways, kEvery},
    {"HasNoLocks", "flock", EOPNOTSUPP, Answer::kAlways, kEvery},
    {"HasNoFlock", "flock", ENOSYS, Answer::kAlways, kEvery},
    {"SweptBeforeItIsLocked", "flock", EWOULDBLOCK, Answer::kOnce, kEvery},
    {"LocksRunOut", "flock", ENOLCK, Answer::kAlways, kEvery, 5, "lock of a temporary name failed"},
    {"TakenDirectoryName", "mkdirat", EEXIST, Answer::kOnce, kPacks},
    {"TakenFileName", "openat", EEXIST, Answer::kOnce, kUnpacks},
    {"CannotRefuseToReplace",
     "renameat2",
     EINVAL,
     Answer::kAlways,
     {RunKind::kPack, RunKind::kUnpack}},
    {"HasNoRenameat2", "renameat2", ENOSYS, Answer::kAlways, {RunKind::kPack, RunKind::kUnpack}},
    {"CannotExchange",
     "renameat2",
     EINVAL,
     Answer::kAlways,
     {RunKind::kReplacePack},
     7,
     "cannot exchange two names"},
    {"InterruptedWrite", "pwrite64", EINTR, Answer::kOnce, kEvery},
    {"InterruptedSync", "fsync", EINTR, Answer::kOnce, kEvery},
    {"InterruptedReserve", "fallocate", EINTR, Answer::kOnce, kEvery},
    {"InterruptedTruncate", "ftruncate", EINTR, Answer::kOnce, kPacks},
    {"InterruptedOpen", "openat", EINTR, Answer::kOnce, kEvery},
};

using AnswerTest = ErrorTest;
INSTANTIATE_TEST_SUITE_P(Runs, AnswerTest, ::testing::ValuesIn(kSmallRuns), kind_name);

TEST_P(AnswerTest, KnowsWhatOtherFileSystemsCannotDo) {
  for (const Answer& answer : kAnswers) {
    if (std::ranges::find(answer.kinds, GetParam()) == answer.kinds.end()) continue;
    SCOPED_TRACE(answer.name);
    scenario_->reset();
    int failed = 0;
    const auto meant = [&](const SystemCall& call) {
      if (std::string_view(answer.call) != "fsync of a directory") return call.name == answer.call;
      return call.name == "fsync" && std::filesystem::is_directory(call.path);
    };
    TracedCommand command(
        scenario_->arguments(), scenario_->folder(),
        std::string_view(answer.call) == "flock" ? Watch::kEverything : Watch::kChanges);
    const auto outcome = command.run([&](const SystemCall& call) {
      if (!meant(call) || (answer.how == Answer::kOnce && failed > 0)) return let_pass(call);
      ++failed;
      return Action{Action::Kind::kFail, answer.error};
    });
    EXPECT_GT(failed, 0);
    EXPECT_EQ(outcome->status, answer.status) << outcome->err;
    EXPECT_THAT(outcome->err, HasSubstr(answer.part));
    EXPECT_THAT(folder_tree(),
                IsTree(answer.status == 0 ? scenario_->after() : scenario_->before()));
  }
}

// Where no rename refuses to replace, a file gets its name by a link and loses the other one.
using LinkTest = ErrorTest;
INSTANTIATE_TEST_SUITE_P(Runs, LinkTest, ::testing::Values(RunKind::kUnpack), kind_name);

TEST_P(LinkTest, NamesAFileByLinkingItAndSurvivesEitherHalf) {
  for (const char* name : {"linkat", "unlinkat"}) {
    for (const Action action : {Action{Action::Kind::kFail, EIO}, Action{Action::Kind::kKillBefore},
                                Action{Action::Kind::kKillAfter}}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(static_cast<int>(action.kind)));
      scenario_->reset();
      int met = 0;
      TracedCommand command(scenario_->arguments(), scenario_->folder(), Watch::kChanges);
      const auto outcome = command.run([&](const SystemCall& call) {
        if (call.name == "renameat2") return Action{Action::Kind::kFail, EINVAL};
        return call.name == name && met++ == 0 ? action : let_pass(call);
      });
      EXPECT_GT(met, 0);
      const bool linked =
          std::string_view(name) == "unlinkat" || action.kind == Action::Kind::kKillAfter;
      EXPECT_THAT(below(folder_tree(), target_name()),
                  IsTree(linked ? scenario_->after() : scenario_->before()));
      if (action.kind == Action::Kind::kFail) {
        EXPECT_EQ(outcome->status, linked ? 0 : 5);
      }
      expect_swept(!scenario_->leavings().empty());
    }
  }
}

}  // namespace
}  // namespace wpack::crash
