// What a comparison found: as JSON, as tables, and as a chart.
//
// Pure functions of the result, but for text that they append to an Output; nothing here fails.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench_rounds.h"
#include "bench_statistics.h"
#include "bench_svg.h"
#include "output.h"

namespace wpack::cli {

// Everything that a report needs.
struct BenchResult {
  std::string container;
  std::string uuid;
  std::string first_layer;  // empty if the container has no layers
  std::string kernel;       // "Linux 6.1.0"
  std::uint64_t memory_bytes = 0;
  unsigned processor_count = 0;
  RoundsPlan plan;
  RoundsResult rounds;
  std::vector<double> disk_rates;  // bytes per second, in the order in which they were taken
  std::string disk_reason;         // why there are none
};

// Contestant 0 is held against each other one, in the rows of one cache state and way of touching.
// The ratios are their seconds divided by its seconds, round by round.
struct RowComparison {
  std::size_t row = 0;  // theirs
  std::vector<double> ratios;
  Comparison comparison;
};

// Returns a comparison for each row that has runs, where contestant 0 has some too.
[[nodiscard]] std::vector<RowComparison> compare_rows(const RoundsResult& rounds);

// Returns whether all rows that added up the words of the tensors found the same sum; nullopt if
// fewer than two did.
[[nodiscard]] std::optional<bool> sums_agree(const RoundsResult& rounds);

// Returns the report as one object, but for "schema".
[[nodiscard]] Json bench_json(const BenchResult& result);

// Returns a bar with whiskers for each row that has runs: median, smallest and largest seconds.
[[nodiscard]] Chart bench_chart(const BenchResult& result);

// Prints what people read: two tables, and a line for each row that was not measured.
void print_bench(const BenchResult& result, Output& out);

}  // namespace wpack::cli
