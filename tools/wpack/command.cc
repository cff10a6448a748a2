#include "command.h"

#include <memory>

#include "help_formatter.h"
#include "size_option.h"

namespace wpack::cli {
namespace {

// Of a number, or of one that may be missing.
template <typename Value>
void add_size_option(CLI::App& command, const std::string& name, Value& value,
                     const std::string& help) {
  command
      .add_option_function<std::string>(
          name,
          [name, &value](const std::string& text) {
            const Result<std::uint64_t> size = parse_size(text);
            if (!size) throw CLI::ValidationError(name, size.error().message());
            value = *size;
          },
          help)
      ->option_text("SIZE");
}

}  // namespace

CLI::App& add_command(CLI::App& app, const CommandText& text) {
  CLI::App& command = *app.add_subcommand(text.name, text.description);
  command.formatter(std::make_shared<HelpFormatter>(text.usage));
  command.group("Commands");
  command.set_help_flag("-h,--help", "print this help");
  if (!text.examples.empty()) command.footer("Examples:\n" + text.examples);
  return command;
}

void add_size(CLI::App& command, const std::string& name, std::uint64_t& value,
              const std::string& help) {
  add_size_option(command, name, value, help);
}

void add_size(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& value,
              const std::string& help) {
  add_size_option(command, name, value, help);
}

void add_index_limit(CLI::App& command, std::uint64_t& max_index_bytes) {
  add_size(command, "--max-index", max_index_bytes,
           "refuse a container whose index is larger than this: it is read into memory "
           "(default: 64MiB)");
}

void add_access(CLI::App& command, AccessMode& access) {
  add_choice<AccessMode>(
      command, "--access", access,
      {{"auto", AccessMode::kAuto}, {"map", AccessMode::kMap}, {"read", AccessMode::kRead}},
      "map the shards, read them into private memory, or what suits the host (default: auto)");
}

void add_profile_flag(CLI::App& command, bool& use_profile) {
  command.add_flag_callback(
      "--no-profile", [&use_profile] { use_profile = false; },
      "leave aside what wpack tune has measured");
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "print JSON, with a \"schema\" number, to stdout");
}

}  // namespace wpack::cli
