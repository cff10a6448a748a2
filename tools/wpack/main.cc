// wpack: the command line. Options become a call of the public API, and its answer becomes output.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <new>

#include "command.h"
#include "exit_status.h"
#include "help_formatter.h"
#include "output.h"
#include "signals.h"
#include "wpack/text.h"
#include "wpack/version.h"

namespace wpack::cli {
namespace {

constexpr std::string_view kFooter =
    "Examples:\n"
    "  wpack pack model.pth -o model.wpack             convert a checkpoint\n"
    "  wpack ls model.wpack                            list its tensors and where they lie\n"
    "  wpack verify model.wpack                        check every byte\n"
    "  wpack load model.wpack                          load it and say how long that took\n"
    "  wpack bench model.wpack --against torch:model.pth   compare with torch.load\n"
    "  wpack unpack model.wpack -o back.safetensors    convert it back\n"
    "  wpack doctor model.wpack                        how this host would read it\n"
    "  wpack tune model.wpack                          measure how it is read best\n"
    "\n"
    "Exit status:\n"
    "  0    success\n"
    "  1    a failure that fits nowhere below\n"
    "  2    usage: wrong options, or a tensor or layer that does not exist\n"
    "  3    the input's structure is invalid or not supported\n"
    "  4    a size, hash or UUID does not match\n"
    "  5    a file could not be read or written\n"
    "  6    a resource ran out: memory, disk space, quota\n"
    "  7    this host cannot do it\n"
    "  130  interrupted\n"
    "\n"
    "Data goes to stdout, everything else to stderr. A failure is one line that starts with\n"
    "\"wpack: error:\", and leaves nothing behind.";

void set_up(CLI::App& app, Action& action) {
  app.name("wpack");
  app.set_version_flag("--version", fmt::format("wpack {}", version()), "print the version");
  app.set_help_flag("-h,--help", "print this help");
  app.require_subcommand(0, 1);
  app.formatter(help_formatter("COMMAND [OPTIONS]"));
  app.footer(std::string(kFooter));
  add_pack_command(app, action);
  add_ls_command(app, action);
  add_inspect_command(app, action);
  add_verify_command(app, action);
  add_load_command(app, action);
  add_bench_command(app, action);
  add_bench_step_command(app, action);
  add_unpack_command(app, action);
  add_plan_command(app, action);
  add_doctor_command(app, action);
  add_tune_command(app, action);
  add_help_command(app, action);
}

Error usage_error(const CLI::App& app, std::string_view message) {
  const auto chosen = app.get_subcommands();
  const std::string command = chosen.empty() ? "" : " " + chosen.front()->get_name();
  return {ErrorCode::kInvalidArgument,
          fmt::format("{}; see wpack{} --help", escape_name(message), command)};
}

// Turns the command line into `action`, or prints what was asked for instead.
Status parse(CLI::App& app, int argc, char** argv, Action& action, Output& out) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    out.print(app.help());
    action = [](Output&) { return Status(); };
  } catch (const CLI::CallForVersion& version_text) {
    out.print(fmt::format("{}\n", version_text.what()));
    action = [](Output&) { return Status(); };
  } catch (const CLI::ExtrasError& error) {
    const bool in_command = !app.get_subcommands().empty();
    return usage_error(
        app, in_command ? error.what() : "no command or option is called " + app.remaining().at(0));
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error.what());
  }
  if (!action) return usage_error(app, "no command given");
  return {};
}

int fail(const Error& error) {
  report_error(error.message());
  return exit_status_of(error.code());
}

int run(int argc, char** argv) {
  prepare_standard_streams();
  exit_on_signal();
  CLI::App app("Packs model weights into a container that loads lazily, and looks into it.");
  Action action;
  Output out;
  set_up(app, action);
  if (const Status parsed = parse(app, argc, argv, action, out); !parsed) {
    return fail(parsed.error());
  }
  const Status done = action(out);
  const Status written = out.flush();
  if (!done) return fail(done.error());
  if (written) return kExitSuccess;
  if (written.error().system_errno() == EPIPE) return exit_status_of(written.error().code());
  return fail(written.error());
}

}  // namespace
}  // namespace wpack::cli

int main(int argc, char** argv) {
  using wpack::Error;
  using wpack::ErrorCode;
  try {
    return wpack::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return wpack::cli::fail(Error(ErrorCode::kLimit, "out of memory"));
  } catch (const std::exception& defect) {
    return wpack::cli::fail(Error(ErrorCode::kInternal, defect.what()));
  }
}
