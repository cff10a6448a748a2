// wpack tune PATH
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "facts_report.h"
#include "human.h"
#include "profile_cache.h"
#include "progress_bar.h"
#include "signals.h"
#include "wpack/text.h"
#include "wpack/tune.h"

namespace wpack::cli {
namespace {

struct TuneArguments {
  std::string path;
  double seconds = kMaxTuneSeconds;
  bool json = false;
};

Json reads_json(const TunedReads& reads) {
  Json measured = Json::array();
  for (const MeasuredShape& shape : reads.measured) {
    Json row = shape_json(shape.shape);
    row["bytes_per_second"] = shape.bytes_per_second;
    row["cpu_seconds_per_byte"] = shape.cpu_seconds_per_byte;
    row["rounds"] = shape.rounds.size();
    measured.push_back(std::move(row));
  }
  return {{"outcome", to_string(reads.choice.outcome)},
          {"reason", reads.choice.reason},
          {"choice", shape_json(reads.choice.shape)},
          {"measured", std::move(measured)}};
}

void print_tune_report_json(const TuneArguments& arguments, const TuneReport& report,
                            const std::string& kept, Output& out) {
  Json json;
  json["path"] = arguments.path;
  json["file"] = report.facts.file.path;
  json["profile_file"] = kept;
  json["profile"] = profile_json(report.profile);
  json["direct"] = reads_json(report.direct);
  json["buffered"] = reads_json(report.buffered);
  json["skipped"] = Json::array();
  for (const Refusal& refusal : report.skipped)
    json["skipped"].push_back({{"what", refusal.what}, {"reason", refusal.reason}});
  json["read_bytes"] = report.read_bytes;
  json["seconds"] = report.seconds;
  out.print_json(json);
}

void print_reads(std::string_view name, const TunedReads& reads, Output& out) {
  if (reads.measured.empty()) return;
  using Align = Table::Align;
  Table table({Align::kLeft, Align::kLeft, Align::kRight, Align::kRight, Align::kRight,
               Align::kRight, Align::kRight});
  table.add_row({"", "ENGINE", "BLOCK", "DEPTH", "RATE", "CPU s/GB", "ROUNDS"});
  for (const MeasuredShape& shape : reads.measured) {
    table.add_row({shape.shape == reads.choice.shape ? "*" : "", shape.shape.engine,
                   human_size(shape.shape.block_size), human_count(shape.shape.depth),
                   human_size(static_cast<std::uint64_t>(shape.bytes_per_second)) + "/s",
                   fmt::format("{:.3f}", shape.cpu_seconds_per_byte * 1e9),
                   human_count(shape.rounds.size())});
  }
  out.print(fmt::format("{}\n{}{}: {}\n\n", name, table.text(), to_string(reads.choice.outcome),
                        one_line(reads.choice.reason, kMaxReasonSize)));
}

void print_tune_report(const TuneReport& report, const std::string& kept, Output& out) {
  print_reads(to_string(ReadMethod::kDirect), report.direct, out);
  print_reads(to_string(ReadMethod::kBuffered), report.buffered, out);
  Table table({Table::Align::kLeft, Table::Align::kLeft});
  for (const Refusal& refusal : report.skipped) {
    table.add_row({"not measured", fmt::format("{}: {}", escape_name(refusal.what),
                                               one_line(refusal.reason, kMaxReasonSize))});
  }
  add_profile_rows(table, report.profile);
  table.add_row({"kept in", escape_name(kept)});
  out.print(table.text());
  out.print(fmt::format("{}: {} read in {}\n", escape_name(report.facts.file.path),
                        human_size(report.read_bytes), human_duration(report.seconds)));
}

// Whether the result can be kept is asked before it is waited for.
Status run_tune(const TuneArguments& arguments, Output& out) {
  cancel_on_signal();
  WPACK_ASSIGN(const std::string directory, make_profile_directory());
  ProgressBar bar("tune", true);
  WPACK_ASSIGN(const TuneReport report,
               tune(arguments.path, {.seconds = arguments.seconds, .progress = bar.callback()}));
  WPACK_ASSIGN(const std::string kept, keep_profile(directory, report.profile));
  if (arguments.json) {
    print_tune_report_json(arguments, report, kept, out);
  } else {
    print_tune_report(report, kept, out);
  }
  return {};
}

}  // namespace

void add_tune_command(CLI::App& app, Action& action) {
  const auto arguments = std::make_shared<TuneArguments>();
  CLI::App& command = add_command(
      app, {.name = "tune",
            .description = "measure how a disk is read best, and keep the result",
            .usage = "tune PATH [OPTIONS]",
            .examples =
                "  wpack tune model.wpack                          the disk that holds it\n"
                "  wpack tune /models --seconds 3                  less exactly\n"
                "  wpack tune model.wpack --json | jq .profile     for programs\n"
                "\n"
                "PATH is a container, or any file or folder; the largest file of a folder is\n"
                "read, and parts of it leave the page cache. Nothing is written there: the\n"
                "result is kept in the user's cache directory ($XDG_CACHE_HOME or ~/.cache), and\n"
                "load, plan and doctor follow it on the same kernel, device and file system.\n"
                "Measure while nothing else uses the disk."});
  add_value(command, "PATH", arguments->path, "", "what lies on the disk").required();
  add_value(command, "--seconds", arguments->seconds, "SECONDS",
            "how long it may take, at most 10 (default: 10)");
  add_json_flag(command, arguments->json);
  on_chosen(command, [arguments, &action] {
    action = [arguments](Output& out) { return run_tune(*arguments, out); };
  });
}

}  // namespace wpack::cli
