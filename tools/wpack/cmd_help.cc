// wpack help [COMMAND]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "command.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// CLI::App::help() would explain the command that was parsed, which is `help` itself.
std::string help_of(const CLI::App& command) {
  return command.get_formatter()->make_help(&command, command.get_name(),
                                            CLI::AppFormatMode::Normal);
}

Status run_help(const CLI::App& app, const std::string& name, Output& out) {
  if (name.empty()) {
    out.print(help_of(app));
    return {};
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() != name) continue;
    out.print(help_of(*command));
    return {};
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("there is no command '{}'; see wpack --help", escape_name(name)));
}

}  // namespace

void add_help_command(CLI::App& app, Action& action) {
  const auto name = std::make_shared<std::string>();
  CLI::App& command = add_command(
      app, {.name = "help",
            .description = "explain a command",
            .usage = "help [COMMAND]",
            .examples = "  wpack help pack                                 the options of pack"});
  add_value(command, "COMMAND", *name, "", "the command to explain");
  on_chosen(command, [&app, &action, name] {
    action = [&app, name](Output& out) { return run_help(app, *name, out); };
  });
}

}  // namespace wpack::cli
