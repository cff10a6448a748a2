// A power cut after each call of a recorded run, in every state that the disk may be in: the target
// is what it was or complete, and a run that has ended has published.
#include <functional>
#include <set>

#include "crash/crash_test.h"
#include "crash/disk_model.h"
#include "wpack/verify.h"

namespace wpack::crash {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

class PowerCutTest : public CrashTest {
 protected:
  void SetUp() override {
    CrashTest::SetUp();
    if (IsSkipped()) return;
    changes_ = changes_of(record(), scenario_->folder());
    before_ = below(scenario_->before(), target_name());
    after_ = below(scenario_->after(), target_name());
  }

  // What is wrong with some state that a power cut during or after these changes may leave.
  [[nodiscard]] std::vector<std::string> problems(const std::vector<Change>& changes) {
    std::vector<std::string> found;
    DiskModel disk(scenario_->before());
    for (std::size_t moment = 0; moment <= changes.size(); ++moment) {
      const bool ended = moment == changes.size();
      disk.for_each_state(target_name(), [&](const Tree& target, const std::string& how) {
        ++states_;
        const bool is_new = target == after_;
        if (is_new || (target == before_ && !ended)) return expect_readable(target);
        if (target != before_) expect_noticed(target);
        found.push_back("cut after " + std::to_string(moment) + ": " + how + "\n" +
                        describe(target));
      });
      if (!ended) disk.apply(changes[moment]);
    }
    return found;
  }

  // A complete container passes `verify`. The same one is not read twice.
  void expect_readable(const Tree& target) {
    if (target.empty() || !scenario_->packs() || !readable_.insert(target).second) return;
    EXPECT_EQ(fault_of(target), "");
  }
  // A broken one is not mistaken for a sound one.
  void expect_noticed(const Tree& target) {
    if (target.empty() || !scenario_->packs() || !noticed_.insert(target).second) return;
    EXPECT_NE(fault_of(target), "") << describe(target);
  }

  [[nodiscard]] std::string fault_of(const Tree& target) const {
    const testing::TempDir place;
    write_tree(target, place.path());
    const auto report = verify(place.file(target_name()), {.max_faults = 1});
    if (!report) return report.error().message();
    return report->faults.empty() ? "" : report->faults.front().message();
  }

  std::vector<Change> changes_;
  Tree before_;  // of the target alone
  Tree after_;
  std::set<Tree> readable_;
  std::set<Tree> noticed_;
  int states_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Runs, PowerCutTest, ::testing::ValuesIn(kAllRuns), kind_name);

TEST_P(PowerCutTest, LeavesTheOldTargetOrTheNewOne) {
  ASSERT_GE(changes_.size(), scenario_->packs() ? 17U : 6U);
  EXPECT_THAT(problems(changes_), IsEmpty());
  EXPECT_GT(states_, static_cast<int>(changes_.size()));
  RecordProperty("states", states_);
}

// Every fsync is needed, which says too that the model would see one that is missing.
TEST_P(PowerCutTest, WouldBreakWithoutAnyOneOfTheSyncs) {
  int syncs = 0;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    if (changes_[i].kind != Change::Kind::kSync) continue;
    ++syncs;
    std::vector<Change> fewer = changes_;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_THAT(problems(fewer), Not(IsEmpty()))
        << "without the sync of '" << changes_[i].path << "'";
  }
  // Of every file, of the directory that they are in, and of the target's.
  EXPECT_EQ(syncs, scenario_->packs() ? 5 : scenario_->has_folder() ? 6 : 2);
  std::vector<Change> none = changes_;
  std::erase_if(none, [](const Change& change) { return change.kind == Change::Kind::kSync; });
  EXPECT_THAT(problems(none), Not(IsEmpty()));
}

TEST_P(PowerCutTest, WouldBreakIfTheNameWereGivenBeforeAnyOfTheSyncs) {
  const auto naming = std::ranges::find_if(changes_, [](const Change& change) {
    return change.kind == Change::Kind::kRename || change.kind == Change::Kind::kExchange;
  });
  ASSERT_NE(naming, changes_.end());
  for (auto sync = changes_.begin(); sync != naming; ++sync) {
    if (sync->kind != Change::Kind::kSync) continue;
    // A name that is given earlier changes the paths of all that comes in between, so the sync is
    // what moves; by its later path.
    std::vector<Change> late(changes_.begin(), naming + 1);
    late.erase(late.begin() + (sync - changes_.begin()));
    late.push_back(*sync);
    late.back().path.replace(0, naming->path.size(), naming->second_path);
    late.insert(late.end(), naming + 1, changes_.end());
    EXPECT_THAT(problems(late), Not(IsEmpty())) << sync->path;
  }
}

using ExchangeTest = PowerCutTest;
INSTANTIATE_TEST_SUITE_P(Runs, ExchangeTest, ::testing::Values(RunKind::kReplacePack), kind_name);

TEST_P(ExchangeTest, WouldBreakIfTheOldContainerWentBeforeTheExchangeIsSynced) {
  std::vector<Change> late = changes_;
  const auto last = std::ranges::find_if(late.rbegin(), late.rend(), [](const Change& change) {
    return change.kind == Change::Kind::kSync;
  });
  ASSERT_NE(last, late.rend());
  ASSERT_EQ(last->path, "");
  std::rotate(last.base() - 1, last.base(), late.end());
  EXPECT_THAT(problems(late), Not(IsEmpty()));
}

// Files may be empty or zero then, whatever their directory says: they are swept all the same.
TEST_P(PowerCutTest, IsSweptByTheNextRun) {
  std::set<std::vector<std::string>> shapes;
  DiskModel disk(scenario_->before());
  for (const Change& change : changes_) {
    disk.apply(change);
    const Tree tree = disk.with_all_entries(Loss::kLost);
    std::vector<std::string> shape;
    for (const auto& [path, contents] : tree) shape.push_back(path);
    if (!shapes.insert(shape).second) continue;
    scenario_->reset();
    for (const auto& entry : std::filesystem::directory_iterator(scenario_->folder()))
      std::filesystem::remove_all(entry.path());
    write_tree(tree, scenario_->folder());
    const std::vector<std::string> leavings = scenario_->leavings();
    const cli::Outcome next = run(scenario_->arguments_of_next_run());
    EXPECT_EQ(next.status, 0) << next.err;
    for (const std::string& name : leavings) EXPECT_THAT(next.out, ::testing::HasSubstr(name));
    EXPECT_THAT(folder_tree(), IsTree(scenario_->after()));
  }
  EXPECT_GE(shapes.size(), 2U);
}

}  // namespace
}  // namespace wpack::crash
