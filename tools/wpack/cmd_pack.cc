// wpack pack SOURCE -o OUT
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "human.h"
#include "pack_report.h"
#include "progress_bar.h"
#include "signals.h"
#include "wpack/pack.h"
#include "wpack/text.h"
#include "wpack/use_order.h"

namespace wpack::cli {
namespace {

// Warnings that are printed without --verbose.
constexpr std::size_t kMaxShownWarnings = 10;

void print_warnings(const PackCommand& command, const std::vector<std::string>& warnings) {
  if (command.quiet) return;
  const std::size_t shown =
      command.verbose ? warnings.size() : std::min(warnings.size(), kMaxShownWarnings);
  for (std::size_t i = 0; i < shown; ++i) report_warning(warnings[i]);
  if (shown < warnings.size()) {
    report_warning(fmt::format("{} not shown; --verbose shows them",
                               human_count(warnings.size() - shown, "more warning")));
  }
}

// The planner does not know what its source is called.
Result<PackPlan> plan_for(const PackCommand& command, const TensorSource& source) {
  Result<PackPlan> plan = plan_pack(source.description(), command.options);
  if (plan || plan.error().code() == ErrorCode::kInvalidArgument) return plan;
  return std::move(plan).error().in(escape_name(command.source));
}

void print_pack_plan(const PackCommand& command, const TensorSource& source, const PackPlan& plan,
                     Output& out) {
  if (command.json) {
    print_plan_json(command, source.description(), plan, out);
  } else {
    print_plan_text(command, source.description(), plan, out);
  }
}

void print_pack_report(const PackCommand& command, const TensorSource& source,
                       const PackReport& report, double seconds, Output& out) {
  if (command.json) {
    print_report_json(command, source.description(), report, seconds, out);
  } else if (!command.quiet) {
    print_report_text(command, source.description(), report, seconds, out);
  }
}

Result<PackReport> pack_with_progress(PackCommand& command, TensorSource& source) {
  cancel_on_signal();
  ProgressBar bar("pack", !command.quiet);
  command.options.progress = bar.callback();
  auto report = pack(source, command.target, command.options);
  // If that could not plan, it wrote nothing: the error is to say what the source is called.
  if (!report) WPACK_TRY(plan_for(command, source));
  return report;
}

Status run_pack(PackCommand& command, Output& out) {
  const Stopwatch stopwatch;
  if (!command.use_order.empty()) {
    WPACK_ASSIGN(command.options.use_order, read_use_order(command.use_order));
  }
  WPACK_ASSIGN(const auto source, open_tensor_source(command.source, command.source_options));
  // A run that fails says why, and nothing else: warnings wait until it has not.
  const std::vector<std::string>& warnings = source->description().warnings;
  if (command.dry_run) {
    WPACK_ASSIGN(const PackPlan plan, plan_for(command, *source));
    print_warnings(command, warnings);
    print_pack_plan(command, *source, plan, out);
    return {};
  }
  WPACK_ASSIGN(const PackReport report, pack_with_progress(command, *source));
  print_warnings(command, warnings);
  print_pack_report(command, *source, report, stopwatch.seconds(), out);
  return {};
}

void add_selection_options(CLI::App& command, PackCommand& options) {
  add_value(command, "--include", options.options.include, "GLOB",
            "pack only tensors whose names match; may be given several times; * is any run of "
            "characters, dots too, ? is one");
  add_value(command, "--exclude", options.options.exclude, "GLOB",
            "leave out tensors whose names match; may be given several times");
  add_value(command, "--root", options.source_options.root, "PATH",
            "dotted path of the dictionary of a PyTorch checkpoint to pack");
  add_size(command, "--max-metadata", options.source_options.metadata_budget,
           "refuse a checkpoint whose names, shapes and other metadata take more memory than this "
           "(default: 192MiB, about 200,000 tensors)");
  add_flag(command, "!--no-attachments", options.source_options.attachments,
           "of a folder, pack the weights alone");
}

void add_layout_options(CLI::App& command, PackCommand& options) {
  add_size(command, "--shard-size", options.options.shard_size,
           "start a new shard before one grows past this: 4GiB, 64M, 65536 (default: 4GiB)");
  add_value(command, "--layer-pattern", options.options.layer_patterns, "P",
            "find layers by this pattern instead of the built-in rules; N is a number, ** any "
            "number of dotted segments; may be given several times");
  add_value(command, "--order", options.use_order, "FILE",
            "lay the layers out in the order of use that wpack load --record wrote to FILE");
}

void add_pack_options(CLI::App& command, PackCommand& options) {
  add_value(command, "SOURCE", options.source, "",
            "a PyTorch checkpoint (.pt, .pth, .bin), a safetensors file, the folder of a Hugging "
            "Face model, or its index (model.safetensors.index.json)")
      .required();
  add_value(command, "-o,--output", options.target, "OUT", "the container to write, a directory");
  add_flag(command, "--force", options.options.replace,
           "replace an existing container; its readers keep the old one");
  add_selection_options(command, options);
  add_layout_options(command, options);
  add_flag(command, "--dry-run", options.dry_run, "show order and estimated sizes; write nothing");
  add_json_flag(command, options.json);
  add_flag(command, "--verbose", options.verbose, "list what was left out, and every warning");
  add_flag(command, "-q,--quiet", options.quiet, "print nothing but errors (and JSON)");
}

}  // namespace

void add_pack_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<PackCommand>();
  CLI::App& command = add_command(
      app, {.name = "pack",
            .description = "convert a checkpoint into a container",
            .usage = "pack SOURCE -o OUT [OPTIONS]",
            .examples =
                "  wpack pack model.pth -o model.wpack             a PyTorch checkpoint\n"
                "  wpack pack m.safetensors -o m.wpack --force     replace an older container\n"
                "  wpack pack ./llama -o llama.wpack               a Hugging Face folder\n"
                "  wpack pack run.pt -o m.wpack --root ema         only what stands under \"ema\"\n"
                "  wpack pack m.pth --dry-run --exclude 'head.*'   what a run would do\n"
                "\n"
                "Of a folder, the weights are model.safetensors, else pytorch_model.bin, in one\n"
                "file or in many, with or without an index; where programs differ in what they\n"
                "would read, name the file or the index instead. Files beside them become\n"
                "attachments, up to 64 MiB each: *.json *.jinja *.model *.txt *.tiktoken *.spm\n"
                "*.bpe *.md *.py tokenizer.model* LICENSE* NOTICE*. wpack unpack -o DIR/ makes a\n"
                "folder of all that again.\n"
                "\n"
                "The same source and options give the same bytes. The container is complete under\n"
                "its name or absent, whatever interrupts the run."});
  add_pack_options(command, *options);
  on_chosen(command, [options, &action] {
    if (options->target.empty() && !options->dry_run) refuse_missing("--output");
    action = [options](Output& out) { return run_pack(*options, out); };
  });
}

}  // namespace wpack::cli
