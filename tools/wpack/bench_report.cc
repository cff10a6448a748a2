#include "bench_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "human.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// What a row shows of its runs. Returns nullopt for a run that cannot say.
using Figure = std::optional<double> (*)(const Run&);

std::optional<double> per_byte(std::optional<double> value, const Run& run) {
  if (!value || run.bytes == 0) return std::nullopt;
  return *value / static_cast<double>(run.bytes);
}

std::optional<double> per_gigabyte(std::optional<double> value, const Run& run) {
  return per_byte(value ? std::optional(*value * 1e9) : std::nullopt, run);
}

std::optional<double> first_touch_of(const Run& run) { return run.first_touch; }

struct Column {
  const char* key;     // in JSON
  const char* header;  // in the table; null: JSON alone
  Figure figure;
  bool duration;  // seconds, otherwise a plain number
};

constexpr Column kColumns[] = {
    {"seconds", nullptr, [](const Run& run) -> std::optional<double> { return run.seconds; }, true},
    {"disk_ratio", "/ fio",
     [](const Run& run) -> std::optional<double> {
       if (!run.disk_rate || *run.disk_rate <= 0 || run.bytes == 0) return std::nullopt;
       return static_cast<double>(run.bytes) / run.seconds / *run.disk_rate;
     },
     false},
    {"cpu_seconds_per_gigabyte", "CPU s/GB",
     [](const Run& run) -> std::optional<double> { return per_gigabyte(run.cpu_seconds, run); },
     false},
    {"machine_cpu_seconds_per_gigabyte", "machine s/GB",
     [](const Run& run) -> std::optional<double> {
       return per_gigabyte(run.machine_cpu_seconds, run);
     },
     false},
    {"process_cpu_seconds", "process CPU",
     [](const Run& run) -> std::optional<double> { return run.process_cpu_seconds; }, true},
    {"anonymous_bytes_per_byte", "private/B",
     [](const Run& run) -> std::optional<double> { return per_byte(run.anonymous_bytes, run); },
     false},
    {"file_cache_bytes_per_byte", "cache/B",
     [](const Run& run) -> std::optional<double> {
       return per_byte(static_cast<double>(run.file_cache_bytes), run);
     },
     false},
    {"system_cache_bytes_per_byte", nullptr,
     [](const Run& run) -> std::optional<double> {
       return per_byte(static_cast<double>(run.system_cache_bytes), run);
     },
     false},
    {"first_tensor_seconds", "first tensor",
     [](const Run& run) -> std::optional<double> { return run.first_tensor_seconds; }, true},
    {"first_layer_seconds", "first layer",
     [](const Run& run) -> std::optional<double> { return run.first_layer_seconds; }, true},
    {"import_seconds", "import",
     [](const Run& run) -> std::optional<double> { return run.import_seconds; }, true},
    {"process_seconds", nullptr,
     [](const Run& run) -> std::optional<double> { return run.process_seconds; }, true},
    {"first_touch_seconds_per_gigabyte", nullptr, first_touch_of, false},
};

// nullopt unless every run has the figure.
std::optional<Spread> spread_of_runs(const Row& row, Figure figure) {
  std::vector<double> values;
  for (const Run& run : row.runs) {
    const auto value = figure(run);
    if (!value) return std::nullopt;
    values.push_back(*value);
  }
  return spread_of(values);
}

std::string short_number(double value) { return fmt::format("{:.3g}", value); }

std::string cell(const Row& row, const Column& column) {
  const auto spread = spread_of_runs(row, column.figure);
  if (!spread) return "-";
  return column.duration ? human_duration(spread->median) : short_number(spread->median);
}

Json spread_json(const std::optional<Spread>& spread) {
  if (!spread) return nullptr;
  return {{"median", spread->median}, {"min", spread->low}, {"max", spread->high}};
}

Json run_json(const Run& run) {
  Json json;
  json["seconds"] = run.seconds;
  json["first_tensor_seconds"] = optional_json(run.first_tensor_seconds);
  json["first_layer_seconds"] = optional_json(run.first_layer_seconds);
  json["import_seconds"] = optional_json(run.import_seconds);
  json["cpu_seconds"] = optional_json(run.cpu_seconds);
  json["machine_cpu_seconds"] = optional_json(run.machine_cpu_seconds);
  json["process_seconds"] = run.process_seconds;
  json["process_cpu_seconds"] = run.process_cpu_seconds;
  json["bytes"] = run.bytes;
  json["anonymous_bytes"] = optional_json(run.anonymous_bytes);
  json["peak_rss_bytes"] = run.peak_rss_bytes;
  json["file_cache_bytes"] = run.file_cache_bytes;
  json["system_cache_bytes"] = run.system_cache_bytes;
  json["word_sum"] = optional_json(run.word_sum);
  json["disk_bytes_per_second"] = optional_json(run.disk_rate);
  json["first_touch_seconds_per_gigabyte"] = optional_json(run.first_touch);
  return json;
}

Json row_json(const BenchResult& result, const Row& row) {
  Json json;
  json["contestant"] = result.plan.contestants[row.contestant].name;
  json["cache"] = to_string(row.cache);
  json["touch"] = to_string(row.touch);
  json["reason"] = row.reason.empty() ? Json(nullptr) : Json(row.reason);
  for (const Column& column : kColumns) {
    json[column.key] = spread_json(spread_of_runs(row, column.figure));
  }
  json["runs"] = Json::array();
  for (const Run& run : row.runs) json["runs"].push_back(run_json(run));
  return json;
}

Json comparison_json(const BenchResult& result, const RowComparison& entry) {
  const Row& row = result.rounds.rows[entry.row];
  const Comparison& comparison = entry.comparison;
  Json json;
  json["contestant"] = result.plan.contestants[row.contestant].name;
  json["cache"] = to_string(row.cache);
  json["touch"] = to_string(row.touch);
  json["ratios"] = entry.ratios;
  json["ratio"] = spread_json(comparison.ratio);
  json["interval"] = {comparison.interval.low, comparison.interval.high};
  json["verdict"] = to_string(comparison.verdict);
  return json;
}

std::string group_name(const Row& row) {
  return fmt::format("{}, {}", to_string(row.cache),
                     row.touch == Touch::kPages ? "one byte of every page" : "every byte");
}

void print_rows(const BenchResult& result, Output& out) {
  std::vector<std::string> header = {"contestant", "cache", "touch", "seconds", "min-max"};
  std::vector<Table::Align> aligns(3, Table::Align::kLeft);
  for (const Column& column : kColumns) {
    if (column.header != nullptr) header.emplace_back(column.header);
  }
  aligns.resize(header.size(), Table::Align::kRight);
  Table table(aligns);
  table.add_row(header);
  for (const Row& row : result.rounds.rows) {
    const auto seconds = spread_of_runs(row, kColumns[0].figure);
    if (!seconds) continue;
    std::vector<std::string> cells = {
        result.plan.contestants[row.contestant].name, std::string(to_string(row.cache)),
        std::string(to_string(row.touch)), human_duration(seconds->median),
        fmt::format("{} - {}", human_duration(seconds->low), human_duration(seconds->high))};
    for (const Column& column : kColumns) {
      if (column.header != nullptr) cells.push_back(cell(row, column));
    }
    table.add_row(std::move(cells));
  }
  out.print(table.text());
}

void print_comparisons(const BenchResult& result, Output& out) {
  const auto entries = compare_rows(result.rounds);
  if (entries.empty()) return;
  Table table({Table::Align::kLeft, Table::Align::kLeft, Table::Align::kLeft, Table::Align::kRight,
               Table::Align::kRight, Table::Align::kLeft});
  table.add_row(
      {"their seconds / wpack's", "cache", "touch", "median", "95 % interval", "wpack is"});
  for (const RowComparison& entry : entries) {
    const Row& row = result.rounds.rows[entry.row];
    const Comparison& comparison = entry.comparison;
    table.add_row({result.plan.contestants[row.contestant].name, std::string(to_string(row.cache)),
                   std::string(to_string(row.touch)), short_number(comparison.ratio.median),
                   fmt::format("{} - {}", short_number(comparison.interval.low),
                               short_number(comparison.interval.high)),
                   std::string(to_string(comparison.verdict))});
  }
  out.print("\n" + table.text());
}

// Whether cold runs, and rows, started from memory that cost the same.
void print_first_touch(const BenchResult& result, Output& out) {
  std::vector<double> all;
  std::vector<double> medians;
  for (const Row& row : result.rounds.rows) {
    for (const Run& run : row.runs) {
      if (run.first_touch) all.push_back(*run.first_touch);
    }
    if (const auto of_row = spread_of_runs(row, first_touch_of)) medians.push_back(of_row->median);
  }
  const auto runs = spread_of(all);
  const auto rows = spread_of(medians);
  if (!runs || !rows) return;
  out.print(
      fmt::format("fresh memory before cold runs: {} s/GB ({} - {}), medians of rows {} - {}\n",
                  short_number(runs->median), short_number(runs->low), short_number(runs->high),
                  short_number(rows->low), short_number(rows->high)));
}

// What was not measured, a line for each reason.
void print_reasons(const BenchResult& result, Output& out) {
  for (std::size_t i = 0; i < result.plan.contestants.size(); ++i) {
    std::string last;
    for (const Row& row : result.rounds.rows) {
      if (row.contestant != i || row.reason.empty() || row.reason == last) continue;
      last = row.reason;
      out.print(fmt::format("{}, {}: not measured: {}\n", result.plan.contestants[i].name,
                            to_string(row.cache), one_line(row.reason, 1024)));
    }
  }
  if (!result.disk_reason.empty()) {
    out.print(fmt::format("no ratios to the disk: {}\n", one_line(result.disk_reason, 1024)));
  }
}

}  // namespace

std::vector<RowComparison> compare_rows(const RoundsResult& rounds) {
  std::vector<RowComparison> entries;
  for (std::size_t i = 0; i < rounds.rows.size(); ++i) {
    const Row& theirs = rounds.rows[i];
    const auto ours = std::find_if(rounds.rows.begin(), rounds.rows.end(), [&](const Row& row) {
      return row.contestant == 0 && row.cache == theirs.cache && row.touch == theirs.touch;
    });
    if (theirs.contestant == 0 || ours == rounds.rows.end()) continue;
    // Rows with runs have one a round, so that equal positions are pairs.
    if (theirs.runs.size() != ours->runs.size()) continue;
    RowComparison entry{.row = i, .ratios = {}, .comparison = {}};
    for (std::size_t round = 0; round < theirs.runs.size(); ++round) {
      entry.ratios.push_back(theirs.runs[round].seconds / ours->runs[round].seconds);
    }
    const auto comparison = compare_ratios(entry.ratios);
    if (!comparison) continue;
    entry.comparison = *comparison;
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::optional<bool> sums_agree(const RoundsResult& rounds) {
  std::optional<std::uint64_t> sum;
  std::optional<bool> agree;
  for (const Row& row : rounds.rows) {
    if (row.runs.empty() || !row.runs.front().word_sum) continue;
    if (sum) agree = agree.value_or(true);
    for (const Run& run : row.runs) {
      if (!sum) sum = run.word_sum;
      if (run.word_sum != sum) agree = false;
    }
  }
  return agree;
}

Json bench_json(const BenchResult& result) {
  Json json;
  json["path"] = result.container;
  json["uuid"] = result.uuid;
  json["bytes"] = result.plan.same_bytes;
  json["rounds"] = result.plan.rounds;
  json["first_layer"] = result.first_layer;
  json["fresh_memory_bytes"] = result.plan.fresh_memory;
  json["settle_seconds"] = result.plan.settle.count();
  json["machine"] = {{"kernel", result.kernel},
                     {"processor_count", result.processor_count},
                     {"memory_bytes", result.memory_bytes}};
  json["disk"] = {{"reason", result.disk_reason.empty() ? Json(nullptr) : Json(result.disk_reason)},
                  {"bytes_per_second", result.disk_rates},
                  {"spread", spread_json(spread_of(result.disk_rates))}};
  json["contestants"] = Json::array();
  for (std::size_t i = 0; i < result.plan.contestants.size(); ++i) {
    const Contestant& contestant = result.plan.contestants[i];
    json["contestants"].push_back({{"name", contestant.name},
                                   {"command", command_line(contestant, Touch::kPages)},
                                   {"versions", result.rounds.versions[i]}});
  }
  json["rows"] = Json::array();
  for (const Row& row : result.rounds.rows) json["rows"].push_back(row_json(result, row));
  json["comparisons"] = Json::array();
  for (const RowComparison& entry : compare_rows(result.rounds)) {
    json["comparisons"].push_back(comparison_json(result, entry));
  }
  const auto agree = sums_agree(result.rounds);
  json["sums_agree"] = agree ? Json(*agree) : Json(nullptr);
  return json;
}

Chart bench_chart(const BenchResult& result) {
  Chart chart;
  chart.title = fmt::format("Loading {}: median seconds, shorter is better",
                            human_size(result.plan.same_bytes));
  chart.note =
      fmt::format("{} rounds in turns; whiskers: fastest and slowest run", result.plan.rounds);
  for (const Row& row : result.rounds.rows) {
    const auto seconds = spread_of_runs(row, kColumns[0].figure);
    if (!seconds) continue;
    const std::string title = group_name(row);
    if (chart.groups.empty() || chart.groups.back().title != title) {
      chart.groups.push_back({.title = title, .bars = {}});
    }
    chart.groups.back().bars.push_back({.label = result.plan.contestants[row.contestant].name,
                                        .value = seconds->median,
                                        .low = seconds->low,
                                        .high = seconds->high,
                                        .emphasised = row.contestant == 0});
  }
  return chart;
}

void print_bench(const BenchResult& result, Output& out) {
  out.print(fmt::format("{}: {}, {}, first layer {}\n", escape_name(result.container),
                        human_size(result.plan.same_bytes),
                        human_count(static_cast<std::uint64_t>(result.plan.rounds), "round"),
                        result.first_layer.empty() ? "-" : escape_name(result.first_layer)));
  if (const auto disk = spread_of(result.disk_rates)) {
    out.print(fmt::format("fio: {:.3g} GB/s ({:.3g} - {:.3g}, {} samples)\n", disk->median / 1e9,
                          disk->low / 1e9, disk->high / 1e9, result.disk_rates.size()));
  }
  out.print("\n");
  print_rows(result, out);
  print_comparisons(result, out);
  if (sums_agree(result.rounds) == false) {
    out.print("\nthe contestants did not load the same bytes: their sums differ\n");
  }
  out.print("\n");
  print_first_touch(result, out);
  print_reasons(result, out);
}

}  // namespace wpack::cli
