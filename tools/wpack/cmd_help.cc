// wpack help [COMMAND]
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>

#include "command.h"
#include "help_formatter.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

Status run_help(const CLI::App& app, const std::string& name, Output& out) {
  const std::optional<std::string> help = help_of(app, name);
  if (!help) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("there is no command '{}'; see wpack --help", escape_name(name)));
  }
  out.print(*help);
  return {};
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
