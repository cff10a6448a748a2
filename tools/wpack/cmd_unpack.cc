// wpack unpack CONTAINER -o FILE|DIR/
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "human.h"
#include "progress_bar.h"
#include "signals.h"
#include "wpack/container.h"
#include "wpack/text.h"
#include "wpack/unpack.h"

namespace wpack::cli {
namespace {

struct UnpackCommand {
  std::string container;
  std::string target;
  UnpackOptions options;
  bool json = false;
  bool quiet = false;

  [[nodiscard]] bool folder() const { return target.ends_with('/'); }
};

void print_unpack_report_json(const UnpackCommand& command, const UnpackReport& report,
                              double seconds, Output& out) {
  Json json;
  json["path"] = command.target;
  json["tensor_count"] = report.tensor_count;
  json["tensor_bytes"] = report.tensor_bytes;
  json["file_bytes"] = report.file_bytes;
  json["files"] = report.files;
  json["left_out"] = report.left_out;
  json["swept"] = report.swept;
  json["seconds"] = seconds;
  json["bytes_per_second"] = bytes_per_second(report.tensor_bytes, seconds);
  json["peak_rss_bytes"] = process_usage().peak_rss_bytes;
  out.print_json(json);
}

void print_unpack_report(const UnpackCommand& command, const UnpackReport& report, double seconds,
                         Output& out) {
  out.print(fmt::format("{}: {}, {} in {} ({})\n", escape_name(command.target),
                        human_count(report.tensor_count, "tensor"), human_size(report.file_bytes),
                        human_duration(seconds), human_rate(report.tensor_bytes, seconds)));
  if (command.folder()) {
    out.print(fmt::format("wrote: {}\n", human_count(report.files.size(), "file")));
  } else if (!report.left_out.empty()) {
    out.print(fmt::format("left out: {}; a folder has room for them (-o DIR/)\n",
                          human_count(report.left_out.size(), "attachment")));
  }
}

Status run_unpack(UnpackCommand& command, Output& out) {
  WPACK_ASSIGN(
      const Container container,
      Container::open(command.container, {.max_index_bytes = command.options.max_index_bytes}));
  cancel_on_signal();
  const Stopwatch stopwatch;
  ProgressBar bar("unpack", !command.quiet);
  command.options.progress = bar.callback();
  const auto unpack_it = command.folder() ? unpack_folder : unpack;
  WPACK_ASSIGN(const UnpackReport report, unpack_it(container, command.target, command.options));
  const double seconds = stopwatch.seconds();
  if (command.folder() && !command.quiet) {
    for (const std::string& attachment : report.left_out)
      report_warning(fmt::format("left out {}", attachment));
  }
  if (command.json) {
    print_unpack_report_json(command, report, seconds, out);
  } else if (!command.quiet) {
    print_unpack_report(command, report, seconds, out);
    print_swept(report.swept, out);
  }
  return {};
}

}  // namespace

void add_unpack_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<UnpackCommand>();
  CLI::App& command = add_command(
      app, {.name = "unpack",
            .description = "turn a container back into a checkpoint",
            .usage = "unpack CONTAINER -o FILE|DIR/ [OPTIONS]",
            .examples = "  wpack unpack m.wpack -o m.safetensors           the extension decides\n"
                        "  wpack unpack m.wpack -o m.pth                   for torch.load\n"
                        "  wpack unpack m.wpack -o m.ckpt --format torch   the option decides\n"
                        "  wpack unpack m.wpack -o model/                  with the attachments\n"
                        "\n"
                        "A path that ends in / is a new folder: weights of the format that the\n"
                        "container was packed from, in the files that its index names, or else in\n"
                        "one, and the attachments beside them, byte for byte."});
  add_value(command, "CONTAINER", options->container, "", "the container").required();
  add_value(command, "-o,--output", options->target, "FILE",
            "the file to write; a folder, where it ends in /")
      .required();
  add_choice<UnpackFormat>(
      command, "--format", options->options.format,
      {{"safetensors", UnpackFormat::kSafetensors}, {"torch", UnpackFormat::kTorch}},
      "without it, the file's extension decides; of a folder, what it was packed from");
  add_flag(command, "--force", options->options.replace,
           "replace an existing file (never a folder)");
  add_index_limit(command, options->options.max_index_bytes);
  add_json_flag(command, options->json);
  add_flag(command, "-q,--quiet", options->quiet, "print nothing but errors (and JSON)");
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_unpack(*options, out); };
  });
}

}  // namespace wpack::cli
