// wpack load CONTAINER
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <system_error>

#include "chrome_trace.h"
#include "command.h"
#include "human.h"
#include "load_run.h"
#include "profile_cache.h"
#include "rank_slices.h"
#include "text_file.h"
#include "wpack/container.h"
#include "wpack/metrics.h"
#include "wpack/text.h"
#include "wpack/use_order.h"

namespace wpack::cli {
namespace {

// "mapped", "read", or "mixed": how the tensors reached memory.
std::string_view access_text(const LoadReport& report) {
  if (report.read_tensor_count == 0) return "mapped";
  return report.mapped_tensor_count == 0 ? "read" : "mixed";
}

std::string_view access_reason(const LoadReport& report, const LoadOptions& options) {
  if (report.device) return "as --device asks";
  if (!report.stats.mapping_refused.empty()) return report.stats.mapping_refused;
  if (options.open.access == AccessMode::kRead) return "as --access read asks";
  if (options.open.access == AccessMode::kAuto && options.open.memory_budget)
    return "as --budget asks";
  return "";
}

Json device_json(const DeviceReport& report) {
  return {{"name", "host"},
          {"peak_bytes", report.device.peak},
          {"copied_bytes", report.device.copied_bytes},
          {"copies", report.device.copies}};
}

Json staging_json(const StagingStats& staging) {
  return {{"slot_count", staging.slot_count},
          {"slot_bytes", staging.slot_size},
          {"pinned_slots", staging.pinned_slots},
          {"waits", staging.waits},
          {"copied_bytes", staging.copied_bytes}};
}

void print_load_report_json(const LoadOptions& options, const LoadReport& report, Output& out) {
  Json json;
  json["path"] = options.container;
  json["uuid"] = to_string(report.info.uuid);
  json["layer_count"] = report.layer_count;
  json["tensor_count"] = report.tensor_count;
  json["bytes"] = report.bytes;
  json["open_seconds"] = report.open_seconds;
  json["first_tensor_seconds"] = optional_json(report.first_tensor_seconds);
  json["first_layer_seconds"] = optional_json(report.first_layer_seconds);
  json["total_seconds"] = report.total_seconds;
  json["bytes_per_second"] = bytes_per_second(report.bytes, report.total_seconds);
  json["access"] = access_text(report);
  json["access_reason"] = access_reason(report, options);
  json["budget_bytes"] = optional_json(options.open.memory_budget);
  json.update(Json::parse(to_json(report.stats)));
  json["device"] = report.device ? device_json(*report.device) : Json(nullptr);
  json["staging"] = report.device ? staging_json(report.device->staging) : Json(nullptr);
  if (options.rank.given()) {
    json["tensor_parallel"] = {
        {"rank", options.rank.rank.value_or(0)},      {"size", options.rank.size.value_or(1)},
        {"needed_bytes", report.slices.needed_bytes}, {"read_bytes", report.slices.read_bytes},
        {"read_count", report.slices.read_count},     {"over_read", report.slices.over_read()}};
  }
  json["cpu_seconds"] = report.cpu_seconds();
  json["machine_cpu_seconds"] = report.after.machine_seconds - report.before.machine_seconds;
  json["touch"] = to_string(options.touch);
  json["word_sum"] = report.word_sum ? Json(*report.word_sum) : Json(nullptr);
  json["peak_rss_bytes"] = report.after.peak_rss_bytes;
  json["anonymous_rss_bytes"] = report.after.anonymous_rss_bytes;
  json["anonymous_rss_grown_bytes"] = private_growth(report.before, report.after);
  json["file_rss_bytes"] = report.after.file_rss_bytes;
  out.print_json(json);
}

std::string optional_duration(std::optional<double> seconds) {
  return seconds ? human_duration(*seconds) : "-";
}

void add_device_rows(const DeviceReport& report, Table& table) {
  const StagingStats& staging = report.staging;
  table.add_row({"staging",
                 fmt::format("{} of {}, {} pinned; waited {} for one",
                             human_count(staging.slot_count, "slot"), human_size(staging.slot_size),
                             staging.pinned_slots, human_count(staging.waits, "time"))});
  table.add_row({"device", fmt::format("host: {} copied, {} used at most",
                                       human_size(report.device.copied_bytes),
                                       human_size(report.device.peak))});
}

void print_load_report(const LoadOptions& options, const LoadReport& report, Output& out) {
  const std::string_view reason = access_reason(report, options);
  Table table({Table::Align::kLeft, Table::Align::kLeft});
  table.add_row(
      {"loaded", fmt::format("{} in {}, {}", human_count(report.tensor_count, "tensor"),
                             human_count(report.layer_count, "layer"), human_size(report.bytes))});
  if (options.rank.given()) {
    table.add_row(
        {"rank",
         fmt::format("{} of {}: {} needed, {} read in {} (over-read {:.3f})",
                     options.rank.rank.value_or(0), options.rank.size.value_or(1),
                     human_size(report.slices.needed_bytes), human_size(report.slices.read_bytes),
                     human_count(report.slices.read_count, "range"), report.slices.over_read())});
  }
  table.add_row({"open", human_duration(report.open_seconds)});
  table.add_row({"first tensor", optional_duration(report.first_tensor_seconds)});
  table.add_row({"first layer", optional_duration(report.first_layer_seconds)});
  table.add_row({"all", fmt::format("{} ({})", human_duration(report.total_seconds),
                                    human_rate(report.bytes, report.total_seconds))});
  table.add_row({"access", reason.empty() ? std::string(access_text(report))
                                          : fmt::format("{} ({})", access_text(report),
                                                        one_line(reason, 1024))});
  for (const Fallback& fallback : report.stats.fallbacks) {
    table.add_row({"done without",
                   fmt::format("{}, {}: {}", fallback.what, human_count(fallback.count, "time"),
                               one_line(fallback.reason, 1024))});
  }
  table.add_row({"bytes from", fmt::format("{} past the page cache, {} through it, {} of mappings",
                                           human_size(report.stats.direct_bytes),
                                           human_size(report.stats.buffered_bytes),
                                           human_size(report.stats.brought_in_bytes))});
  table.add_row({"verified", human_size(report.stats.verified_bytes)});
  if (options.open.memory_budget) {
    table.add_row(
        {"budget", fmt::format("{} of {} used at most", human_size(report.stats.peak_memory_bytes),
                               human_size(*options.open.memory_budget))});
  }
  if (report.device) add_device_rows(*report.device, table);
  table.add_row({"CPU", human_duration(report.cpu_seconds())});
  table.add_row({"peak RSS", fmt::format("{} (now {} private, {} of files)",
                                         human_size(report.after.peak_rss_bytes),
                                         human_size(report.after.anonymous_rss_bytes),
                                         human_size(report.after.file_rss_bytes))});
  out.print(table.text());
}

Status record_use_order(const std::string& path, const UseOrder& order) {
  const std::string text = to_json(order);
  if (text.size() > kMaxUseOrderSize) {
    return Error(ErrorCode::kLimit, fmt::format("{}: the use order would take {} bytes, and {} are "
                                                "read",
                                                escape_name(path), text.size(), kMaxUseOrderSize));
  }
  return replace_text_file(path, text);
}

// Both files, whatever becomes of the other. Errors: the first.
Status write_observations(const LoadOptions& options, const ChromeTrace* trace,
                          const AccessStats& stats) {
  Status traced = trace == nullptr ? Status() : replace_text_file(options.trace, trace->to_json());
  Status measured =
      options.metrics.empty()
          ? Status()
          : replace_text_file(options.metrics, to_prometheus(stats, options.container));
  return traced ? measured : traced;
}

Status load_and_report(const LoadOptions& wanted, Output& out) {
  LoadOptions options = wanted;
  const auto trace = options.trace.empty() ? nullptr : std::make_shared<ChromeTrace>();
  options.open.tracer = trace;
  if (!options.order.empty()) {
    WPACK_ASSIGN(options.open.use_order, read_use_order(options.order));
  }
  options.open.profile = find_profile(options.container, options.use_profile);
  LoadReport report;
  const Status loaded = run_load(options, report);
  // Also after a failure: there they are of most use.
  const Status written = write_observations(options, trace.get(), report.stats);
  if (!loaded && !written) report_warning(written.error().message());
  WPACK_TRY(loaded);
  WPACK_TRY(written);
  if (!options.record.empty()) {
    WPACK_TRY(record_use_order(options.record, report.use_order));
  }
  if (options.json) {
    print_load_report_json(options, report, out);
  } else {
    print_load_report(options, report, out);
  }
  return {};
}

double parse_seconds(const std::string& text) {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr double kMost = 1e6;  // more than a week, and far from what a clock can count
  if (error != std::errc() || end != text.data() + text.size() ||
      !(seconds > 0 && seconds <= kMost))
    refuse_value("--deadline", "it is no number of seconds above 0 and up to 1000000");
  return seconds;
}

void add_load_options(CLI::App& command, LoadOptions& options) {
  add_value(command, "CONTAINER", options.container, "", "the container").required();
  add_value(command, "--layer", options.layers, "NAME",
            "only this layer; may be given several times");
  add_text(
      command, "--first", [&options](const std::string& layer) { options.first_layer = layer; },
      "LAYER", "load this layer before all others");
  add_choice<Touch>(command, "--touch", options.touch,
                    {{"pages", Touch::kPages}, {"bytes", Touch::kBytes}},
                    "read one byte of every page, or add up every byte (default: pages)");
  add_verify(command, options.open.verify);
  add_access(command, options.open.access);
  add_value(command, "--readahead", options.open.readahead_layers, "N",
            "layers to read ahead of the one in use (default: 2)");
  add_value(command, "--order", options.order, "FILE",
            "read layers ahead in the order of use in FILE, and load them in it");
  add_value(command, "--record", options.record, "FILE",
            "write the order in which layers were used to FILE, for --order of load and pack");
  add_budget(command, options.open.memory_budget);
  add_text(
      command, "--deadline",
      [&options](const std::string& text) { options.deadline_seconds = parse_seconds(text); },
      "SECONDS", "fail if a layer is not in memory so many seconds after the start");
  add_value(command, "--trace", options.trace, "FILE",
            "write what took time to FILE, for Perfetto or chrome://tracing");
  add_value(command, "--metrics-file", options.metrics, "FILE",
            "write statistics to FILE for Prometheus, replacing it at once, also if loading fails");
  add_choice<bool>(command, "--device", options.device.to_host_device, {{"host", true}},
                   "copy layers through a staging ring to a device: the host's own memory");
  add_size(command, "--pinned-budget", options.device.pinned_budget,
           "the most memory that the staging ring may take and pin (default: 64MiB); part of the "
           "--budget, if there is one");
  add_rank_options(command, options.rank);
  add_profile_flag(command, options.use_profile);
  add_index_limit(command, options.open.max_index_bytes);
  add_json_flag(command, options.json);
}

}  // namespace

void add_load_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<LoadOptions>();
  CLI::App& command = add_command(
      app, {.name = "load",
            .description = "load a container as a program would, and measure it",
            .usage = "load CONTAINER [OPTIONS]",
            .examples =
                "  wpack load model.wpack                          everything, mapped if possible\n"
                "  wpack load model.wpack --access read            into private memory, verified\n"
                "  wpack load model.wpack --budget 2GiB            through 2 GiB of memory\n"
                "  wpack load model.wpack --device host            through pinned memory\n"
                "  wpack load model.wpack --layer embed --json     one layer, for programs\n"
                "  wpack load model.wpack --tp-rank 0 --tp-size 4 --tp-rules llama.json\n"
                "                                                  what one GPU of four needs\n"
                "\n"
                "Opens the container, acquires its layers in the order of use and reads one byte\n"
                "of every page. Times count from the start of opening. 1 GB is 10^9 bytes."});
  add_load_options(command, *options);
  on_chosen(command, [options, &action] {
    check_rank_options(options->rank);
    check_device_options(options->device, options->rank.given());
    action = [options](Output& out) { return load_and_report(*options, out); };
  });
}

}  // namespace wpack::cli
