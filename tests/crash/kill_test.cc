// SIGKILL before each system call by which a run changes the file system, and after the last one,
// which is everything that a kill can leave: the target is what it was or complete, and the next
// run sweeps what is left, but nothing of a live neighbour.
#include <algorithm>
#include <csignal>

#include "crash/crash_test.h"

namespace wpack::crash {
namespace {

constexpr int kKilled = 128 + SIGKILL;

bool gives_name(const SystemCall& call) {
  return call.name.starts_with("rename") && call.result == 0;
}

class KillTest : public CrashTest {
 protected:
  void SetUp() override {
    CrashTest::SetUp();
    if (IsSkipped()) return;
    calls_ = record();
    const auto publishing = std::ranges::find_if(calls_, gives_name);
    ASSERT_NE(publishing, calls_.end());
    published_at_ = static_cast<std::size_t>(publishing - calls_.begin());
    ASSERT_EQ(std::ranges::count_if(calls_, gives_name), 1);
  }

  // Starts a second writer of the same target and stops it in the middle of its work.
  void start_neighbour() {
    scenario_->reset();
    neighbour_ = std::make_unique<TracedCommand>(scenario_->arguments(), scenario_->folder(),
                                                 Watch::kChanges);
    const auto ended = neighbour_->run([](const SystemCall& call) {
      return Action{call.name == "pwrite64" ? Action::Kind::kHold : Action::Kind::kLetPass};
    });
    ASSERT_FALSE(ended);
    ASSERT_EQ(scenario_->leavings().size(), 1U);
    neighbour_name_ = scenario_->leavings().front();
    neighbour_tree_ = below(folder_tree(), neighbour_name_);
  }

  void kill_at(std::size_t position, Action::Kind when) {
    SCOPED_TRACE((when == Action::Kind::kKillBefore ? "before " : "after ") +
                 std::to_string(position) + ": " + signature(*scenario_, calls_[position]));
    scenario_->reset(neighbour_name_);
    const cli::Outcome killed = run_with({when}, position, signature(*scenario_, calls_[position]));
    ASSERT_EQ(killed.status, kKilled) << killed.err;
    const bool published =
        position > published_at_ || (position == published_at_ && when == Action::Kind::kKillAfter);
    const Tree left = folder_tree();
    const Tree& expected = published ? scenario_->after() : scenario_->before();
    EXPECT_THAT(below(left, target_name()), IsTree(below(expected, target_name())));
    EXPECT_THAT(below(left, neighbour_name_), IsTree(neighbour_tree_));
    expect_sources_untouched();
    run_again(published);
  }

  // The next run succeeds, and says what it swept.
  void run_again(bool published) {
    std::vector<std::string> leavings = scenario_->leavings();
    std::erase(leavings, neighbour_name_);
    EXPECT_LE(leavings.size(), 1U);
    saw_leavings_ = saw_leavings_ || !leavings.empty();
    const cli::Outcome next =
        run(published ? scenario_->arguments_of_next_run() : scenario_->arguments());
    EXPECT_EQ(next.status, 0) << next.err;
    for (const std::string& name : leavings)
      EXPECT_THAT(next.out, ::testing::HasSubstr("had left: " + name + "\n"));
    const int summary = (scenario_->packs() ? 2 : 1) + (scenario_->has_folder() ? 1 : 0);
    EXPECT_EQ(std::ranges::count(next.out, '\n') - summary, std::ssize(leavings)) << next.out;
    const Tree tree = folder_tree();
    EXPECT_THAT(without(tree, neighbour_name_), IsTree(scenario_->after()));
    EXPECT_THAT(below(tree, neighbour_name_), IsTree(neighbour_tree_));
  }

  // The neighbour goes on as if nothing had happened: only the name may have been taken meanwhile.
  void finish_neighbour() {
    const auto ended = neighbour_->run([](const SystemCall&) { return Action{}; });
    ASSERT_TRUE(ended);
    if (scenario_->replaces()) {
      EXPECT_EQ(ended->status, 0) << ended->err;
    } else {
      EXPECT_EQ(ended->status, 5);
      EXPECT_THAT(ended->err, ::testing::HasSubstr("already exists"));
    }
    EXPECT_THAT(folder_tree(), IsTree(scenario_->after()));
  }

  std::vector<SystemCall> calls_;
  std::size_t published_at_ = 0;
  std::unique_ptr<TracedCommand> neighbour_;
  std::string neighbour_name_;
  Tree neighbour_tree_;
  bool saw_leavings_ = false;
};

INSTANTIATE_TEST_SUITE_P(Runs, KillTest, ::testing::ValuesIn(kAllRuns), kind_name);

TEST_P(KillTest, LeavesTheOldTargetOrTheNewOneAndIsSweptByTheNextRun) {
  EXPECT_GE(calls_.size(), scenario_->packs() ? 20U : 8U);
  ASSERT_NO_FATAL_FAILURE(start_neighbour());
  for (std::size_t position = 0; position < calls_.size(); ++position) {
    kill_at(position, Action::Kind::kKillBefore);
    if (HasFailure()) return;  // the others fail alike
  }
  kill_at(calls_.size() - 1, Action::Kind::kKillAfter);
  EXPECT_TRUE(saw_leavings_);
  finish_neighbour();
  RecordProperty("kills", static_cast<int>(calls_.size() + 1));
}

}  // namespace
}  // namespace wpack::crash
