// Runs contestants in fresh processes, round by round, and keeps what every run took.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench_contestants.h"
#include "bench_disk.h"
#include "wpack/error.h"

namespace wpack::cli {

enum class CacheState { kCold, kWarm };

// "cold", "warm".
[[nodiscard]] std::string_view to_string(CacheState state) noexcept;

// What one run took; nullopt is what its contestant does not report. "Timed" is the time from the
// call that loads until the bytes were used; starting the program and importing modules is not in
// it.
struct Run {
  double seconds = 0;                                 // timed
  std::optional<double> first_tensor_seconds = {};    // timed
  std::optional<double> first_layer_seconds = {};     // timed
  std::optional<double> import_seconds = {};          // before the timed part, modules imported
  std::optional<double> cpu_seconds = {};             // of the process, timed
  std::optional<double> machine_cpu_seconds = {};     // of the whole machine, timed
  double process_seconds = 0;                         // from start to exit
  double process_cpu_seconds = 0;                     // by wait4, from start to exit
  std::uint64_t bytes = 0;                            // that were loaded
  std::optional<std::uint64_t> anonymous_bytes = {};  // private memory that loading added
  std::uint64_t peak_rss_bytes = 0;                   // by wait4, the page cache's pages included
  std::int64_t file_cache_bytes = 0;                  // by which its files grew in the page cache
  std::int64_t system_cache_bytes = 0;                // by which the page cache grew altogether
  std::optional<std::uint64_t> word_sum = {};         // of its tensors, if it read every byte
  std::optional<double> disk_rate = {};               // bytes per second, around this run
  // Seconds a gigabyte that fresh memory cost another process right before this run, if it was
  // cold.
  std::optional<double> first_touch = {};
};

// What a contestant's report says; the rest of the Run is for the caller to fill in.
struct ContestantReport {
  Run run;
  std::string skipped;   // why it could not run; empty if it did
  std::string versions;  // of what it loads with
};

// Returns what `output`, the stdout of a contestant, says. Errors: kInternal (it is no such
// report).
[[nodiscard]] Result<ContestantReport> parse_report(std::string_view output);

// All runs of one contestant under one cache state and way of touching.
struct Row {
  std::size_t contestant = 0;  // position in the list
  CacheState cache = CacheState::kCold;
  Touch touch = Touch::kPages;
  std::vector<Run> runs;  // one a round, unless `reason` says why there are none
  std::string reason = {};
};

struct RoundsPlan {
  std::vector<Contestant> contestants;
  std::vector<CacheState> caches;
  std::vector<Touch> touches;
  int rounds = 0;
  std::uint64_t same_bytes = 0;  // of the tensors that all but bare mappings load
  // What another process touches before every run, and holds while a cold one goes on.
  std::uint64_t fresh_memory = 0;
  std::chrono::seconds settle{};  // waited before every cold run, for the host to take pages back
};

// Returns which of `count` entries runs at `turn` of `round`. Who runs next after whom is balanced,
// because the one before leaves memory and caches behind: in `count` rounds (twice as many where
// `count` is odd), every entry runs at every turn, and right after every other one, equally often.
// The order is that of E. J. Williams, "Experimental designs balanced for the estimation of
// residual effects of treatments" (1949).
[[nodiscard]] std::size_t entry_at(int round, std::size_t turn, std::size_t count) noexcept;

struct RoundsResult {
  std::vector<Row> rows;              // caches, then ways of touching, then contestants
  std::vector<std::string> versions;  // one a contestant; empty if it said nothing
};

// Rehearses each contestant once, uncounted, and then runs all rounds. `say` is told what runs now.
// A contestant that fails, or whose cache state cannot be reached, has a reason from then on and no
// runs; the others go on.
[[nodiscard]] RoundsResult run_rounds(const RoundsPlan& plan, DiskRates& disk,
                                      const std::function<void(const std::string&)>& say);

}  // namespace wpack::cli
