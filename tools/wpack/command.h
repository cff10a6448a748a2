// What the commands share: how one is declared, and how the chosen one is run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "output.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace wpack::cli {

// What to do once the command line has been understood: prints to `out`, or fails.
using Action = std::function<Status(Output& out)>;

// What --help says of a command beside its options.
struct CommandText {
  std::string name;
  std::string description;
  std::string usage;     // what follows "wpack "
  std::string examples;  // lines, indented by two, each with its end of line
};

// Adds a command without options and returns it.
CLI::App& add_command(CLI::App& app, const CommandText& text);

// Adds an option of one value, shown as `value_name`; or, where `names` starts with no dash, an
// argument, without one.
template <typename T>
CLI::Option* add_value(CLI::App& command, const std::string& names, T& value,
                       const std::string& value_name, const std::string& help) {
  return command.add_option(names, value, help)
      ->type_name(value_name)
      ->option_text(value_name)
      ->allow_extra_args(false);
}

void add_json_flag(CLI::App& command, bool& json);

// An option whose value is a size such as 64MiB.
void add_size(CLI::App& command, const std::string& name, std::uint64_t& value,
              const std::string& help);
void add_size(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& value,
              const std::string& help);

// --max-index, for every command that opens a container.
void add_index_limit(CLI::App& command, std::uint64_t& max_index_bytes);

// --access, for every command that reads, or says how it would.
void add_access(CLI::App& command, AccessMode& access);

// --no-profile, for the same: false leaves aside what `wpack tune` has kept.
void add_profile_flag(CLI::App& command, bool& use_profile);

// An option whose value is one word of a list.
template <typename T>
void add_choice(CLI::App& command, const std::string& name, T& value,
                std::initializer_list<std::pair<std::string_view, T>> choices,
                const std::string& help) {
  std::string words;
  for (const auto& choice : choices)
    words += (words.empty() ? "" : "|") + std::string(choice.first);
  const std::vector<std::pair<std::string_view, T>> list(choices);
  command
      .add_option_function<std::string>(
          name,
          [list, name, words, &value](const std::string& word) {
            for (const auto& choice : list) {
              if (choice.first == word) {
                value = choice.second;
                return;
              }
            }
            throw CLI::ValidationError(name, "'" + word + "' is none of " + words);
          },
          help)
      ->option_text(words);
}

// The commands. Each adds itself to `app` and, when it is the one that was called, sets `action`.
void add_pack_command(CLI::App& app, Action& action);
void add_ls_command(CLI::App& app, Action& action);
void add_inspect_command(CLI::App& app, Action& action);
void add_verify_command(CLI::App& app, Action& action);
void add_load_command(CLI::App& app, Action& action);
void add_plan_command(CLI::App& app, Action& action);
void add_doctor_command(CLI::App& app, Action& action);
void add_tune_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
void add_bench_step_command(CLI::App& app, Action& action);
void add_unpack_command(CLI::App& app, Action& action);
void add_help_command(CLI::App& app, Action& action);

}  // namespace wpack::cli
