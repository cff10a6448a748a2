// wpack verify CONTAINER
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"
#include "human.h"
#include "progress_bar.h"
#include "signals.h"
#include "wpack/text.h"
#include "wpack/verify.h"

namespace wpack::cli {
namespace {

struct CheckOptions {
  std::string container;
  VerifyOptions verify = {};
  bool json = false;
};

void print_verify_report_json(const CheckOptions& options, const VerifyReport& report,
                              double seconds, Output& out) {
  Json json;
  json["path"] = options.container;
  json["sound"] = report.faults.empty();
  json["faults"] = Json::array();
  for (const Error& fault : report.faults) {
    json["faults"].push_back({{"code", to_string(fault.code())}, {"message", fault.message()}});
  }
  json["tensor_count"] = report.tensor_count;
  json["chunk_count"] = report.chunk_count;
  json["checked_bytes"] = report.checked_bytes;
  json["seconds"] = seconds;
  json["bytes_per_second"] = bytes_per_second(report.checked_bytes, seconds);
  out.print_json(json);
}

void print_verify_report(const CheckOptions& options, const VerifyReport& report, double seconds,
                         Output& out) {
  for (const Error& fault : report.faults) {
    out.print(fmt::format("fault: {}\n", one_line(fault.message(), 4096)));
  }
  out.print(fmt::format("{}: {}, checked {}, {} and {} in {} ({})\n",
                        escape_name(options.container), report.faults.empty() ? "sound" : "damaged",
                        human_count(report.tensor_count, "tensor"),
                        human_count(report.chunk_count, "chunk"), human_size(report.checked_bytes),
                        human_duration(seconds), human_rate(report.checked_bytes, seconds)));
}

// The one line for stderr. A mismatch outranks what else is wrong.
Error summary_of(const VerifyReport& report) {
  const auto worst =
      std::find_if(report.faults.begin(), report.faults.end(),
                   [](const Error& fault) { return fault.code() == ErrorCode::kIntegrity; });
  const Error& fault = worst != report.faults.end() ? *worst : report.faults.front();
  if (report.faults.size() == 1) return fault;
  return {fault.code(), fault.system_errno(),
          fmt::format("{} (and {})", fault.message(),
                      human_count(report.faults.size() - 1, "more fault"))};
}

Status run_verify(const CheckOptions& options, Output& out) {
  cancel_on_signal();
  const Stopwatch stopwatch;
  ProgressBar bar("verify", true);
  VerifyOptions verify_options = options.verify;
  verify_options.progress = bar.callback();
  WPACK_ASSIGN(const VerifyReport report, verify(options.container, verify_options));
  const double seconds = stopwatch.seconds();
  if (options.json) {
    print_verify_report_json(options, report, seconds, out);
  } else {
    print_verify_report(options, report, seconds, out);
  }
  if (!report.faults.empty()) return summary_of(report);
  return {};
}

}  // namespace

void add_verify_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<CheckOptions>();
  CLI::App& command = add_command(
      app, {.name = "verify",
            .description = "check every checksum and every padding byte",
            .usage = "verify CONTAINER [OPTIONS]",
            .examples =
                "  wpack verify model.wpack                        check and summarise\n"
                "  wpack verify model.wpack --json | jq .faults    for programs\n"
                "\n"
                "Every fault is listed on stdout; the exit status is 0 only if there is none, 4\n"
                "if anything does not match what the container says of itself."});
  add_value(command, "CONTAINER", options->container, "", "the container").required();
  add_index_limit(command, options->verify.max_index_bytes);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_verify(*options, out); };
  });
}

}  // namespace wpack::cli
