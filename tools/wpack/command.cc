#include "command.h"

#include <memory>

#include "help_formatter.h"

namespace wpack::cli {
CLI::App& add_command(CLI::App& app, const CommandText& text) {
  CLI::App& command = *app.add_subcommand(text.name, text.description);
  command.formatter(std::make_shared<HelpFormatter>(text.usage));
  command.group("Commands");
  command.set_help_flag("-h,--help", "print this help");
  if (!text.examples.empty()) command.footer("Examples:\n" + text.examples);
  return command;
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "print JSON, with a \"schema\" number, to stdout");
}

}  // namespace wpack::cli
