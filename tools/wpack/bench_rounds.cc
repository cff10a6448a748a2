#include "bench_rounds.h"

#include <fmt/format.h>

#include <thread>

#include "bench_cache.h"
#include "bench_memory.h"
#include "bench_process.h"
#include "output.h"

namespace wpack::cli {
namespace {

constexpr int kRepeats = 3;  // of a warm run whose files left the page cache

std::optional<double> number(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

std::optional<std::uint64_t> count(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

std::string text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t difference(std::uint64_t after, std::uint64_t before) {
  return static_cast<std::int64_t>(after - before);
}

class Rounds {
 public:
  Rounds(const RoundsPlan& plan, DiskRates& disk,
         const std::function<void(const std::string&)>& say)
      : plan_(plan), disk_(disk), say_(say) {
    result_.versions.resize(plan.contestants.size());
    for (const CacheState cache : plan.caches) {
      for (const Touch touch : plan.touches) {
        for (std::size_t i = 0; i < plan.contestants.size(); ++i) {
          result_.rows.push_back({.contestant = i, .cache = cache, .touch = touch, .runs = {}});
        }
      }
    }
  }

  RoundsResult run() {
    for (std::size_t i = 0; i < plan_.contestants.size(); ++i) rehearse(i);
    disk_.sample();
    const std::size_t turns = result_.rows.size() / plan_.caches.size();
    for (int round = 0; round < plan_.rounds; ++round) {
      for (std::size_t cache = 0; cache < plan_.caches.size(); ++cache) {
        for (std::size_t turn = 0; turn < turns; ++turn) {
          take_turn(result_.rows[cache * turns + entry_at(round, turn, turns)], round);
        }
      }
    }
    return std::move(result_);
  }

 private:
  // One run that does not count: what is missing shows before the measuring starts, and the first
  // round does not pay for reading programs and modules from the disk.
  void rehearse(std::size_t index) {
    const Contestant& contestant = plan_.contestants[index];
    say_("rehearsal: " + contestant.name);
    const auto report = run_contestant(contestant, Touch::kPages);
    if (report) {
      result_.versions[index] = report->versions;
      return;
    }
    for (Row& row : result_.rows) {
      if (row.contestant == index) row.reason = report.error().message();
    }
  }

  void take_turn(Row& row, int round) {
    if (!row.reason.empty()) return;
    const Contestant& contestant = plan_.contestants[row.contestant];
    say_(fmt::format("round {} of {}, {}, {}: {}", round + 1, plan_.rounds, to_string(row.cache),
                     to_string(row.touch), contestant.name));
    auto run = measure(contestant, row);
    for (int repeat = 0; repeat < kRepeats && run && !stayed(*run, row); ++repeat) {
      run = measure(contestant, row);
    }
    if (run && !stayed(*run, row)) {
      run = Error(ErrorCode::kLimit, "its files did not stay in the page cache while it ran");
    }
    if (run) {
      row.runs.push_back(*run);
    } else {
      row.reason = run.error().message();
      row.runs.clear();
    }
  }

  // What left the page cache while a warm run went on was not warm when it was wanted.
  static bool stayed(const Run& run, const Row& row) {
    return row.cache == CacheState::kCold || run.file_cache_bytes >= 0;
  }

  Result<Run> measure(const Contestant& contestant, const Row& row) {
    WPACK_ASSIGN(const MemoryHolder held, prepare(contestant, row.cache));
    WPACK_ASSIGN(const Residency files_before, residency(contestant.files));
    const MemoryState before = memory_state();
    WPACK_ASSIGN(const ContestantReport report, run_contestant(contestant, row.touch));
    const MemoryState after = memory_state();
    WPACK_ASSIGN(const Residency files_after, residency(contestant.files));
    Run run = report.run;
    if (contestant.same_bytes) run.bytes = plan_.same_bytes;
    run.file_cache_bytes = difference(files_after.resident_bytes, files_before.resident_bytes);
    run.system_cache_bytes = difference(after.cached_bytes, before.cached_bytes);
    disk_.sample();
    run.disk_rate = disk_.around_last_run();
    run.first_touch = held.first_touch();
    return run;
  }

  // Returns what must be held until the run has ended.
  //
  // A virtual machine's host takes free pages back, and giving them out again costs ten times what
  // pages cost that were freed a moment ago. Those are handed out first, so that whoever runs after
  // a process with much memory would look faster than whoever runs after one with little. Before a
  // cold run another process takes what the host has left, and keeps it; before a warm one it frees
  // it, so that everybody finds as much.
  Result<MemoryHolder> prepare(const Contestant& contestant, CacheState cache) {
    if (cache == CacheState::kWarm) {
      WPACK_TRY(MemoryHolder::start(plan_.fresh_memory));
      WPACK_TRY(make_warm(contestant.files));
      return MemoryHolder();
    }
    forget_everybody();
    WPACK_TRY(make_cold(contestant.files));
    std::this_thread::sleep_for(plan_.settle);
    WPACK_ASSIGN(MemoryHolder held, MemoryHolder::start(plan_.fresh_memory));
    // The rate before the wait is that around the run before it; this one's is measured anew.
    if (plan_.settle.count() > 0) disk_.sample();
    // Nobody else wants these files; that they are still out is proven all the same.
    WPACK_TRY(make_cold(contestant.files));
    return held;
  }

  // What another contestant left in the page cache is memory that this one could not have, and
  // memory that is freed now is cheaper to touch than what the host has taken back: all are
  // dropped, or whoever runs after the drop of a large file would look faster. What will not be
  // dropped is for its own contestant to stumble over.
  void forget_everybody() const {
    for (const Contestant& contestant : plan_.contestants) drop_from_cache(contestant.files);
  }

  static Result<ContestantReport> run_contestant(const Contestant& contestant, Touch touch) {
    WPACK_ASSIGN(const ProcessRun process, run_process(command_line(contestant, touch)));
    WPACK_ASSIGN(ContestantReport report, parse_report(process.out));
    if (!report.skipped.empty()) return Error(ErrorCode::kUnsupportedHost, report.skipped);
    report.run.process_seconds = process.seconds;
    report.run.process_cpu_seconds = process.cpu_seconds;
    report.run.peak_rss_bytes = process.peak_rss_bytes;
    return report;
  }

  const RoundsPlan& plan_;
  DiskRates& disk_;
  const std::function<void(const std::string&)>& say_;
  RoundsResult result_;
};

}  // namespace

std::string_view to_string(CacheState state) noexcept {
  return state == CacheState::kCold ? "cold" : "warm";
}

Result<ContestantReport> parse_report(std::string_view output) {
  const Json json = Json::parse(output, nullptr, false);
  ContestantReport report;
  if (json.is_object()) report.skipped = text(json, "skipped");
  if (!report.skipped.empty()) return report;
  if (!json.is_object() || number(json, "total_seconds").value_or(0) <= 0) {
    return Error(ErrorCode::kInternal, "it printed no report of a load");
  }
  report.versions = text(json, "versions");
  report.run = {.seconds = number(json, "total_seconds").value_or(0),
                .first_tensor_seconds = number(json, "first_tensor_seconds"),
                .first_layer_seconds = number(json, "first_layer_seconds"),
                .import_seconds = number(json, "import_seconds"),
                .cpu_seconds = number(json, "cpu_seconds"),
                .machine_cpu_seconds = number(json, "machine_cpu_seconds"),
                .bytes = count(json, "bytes").value_or(0),
                .anonymous_bytes = count(json, "anonymous_rss_grown_bytes"),
                .word_sum = count(json, "word_sum")};
  return report;
}

std::size_t entry_at(int round, std::size_t turn, std::size_t count) noexcept {
  const auto shift = static_cast<std::size_t>(round);
  // 0, 1, count - 1, 2, count - 2, ...: no two neighbours differ by the same number as two others.
  const std::size_t backwards = (shift / count) % 2;  // only an odd `count` needs it
  const std::size_t position = count % 2 == 1 && backwards == 1 ? count - 1 - turn : turn;
  const std::size_t first = position % 2 == 1 ? (position + 1) / 2 : count - position / 2;
  return (first + shift) % count;
}

RoundsResult run_rounds(const RoundsPlan& plan, DiskRates& disk,
                        const std::function<void(const std::string&)>& say) {
  return Rounds(plan, disk, say).run();
}

}  // namespace wpack::cli
