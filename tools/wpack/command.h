// What the commands share: how one is declared, and how the chosen one is run.
//
// The parser of options takes seconds to compile. It stays out of this header, so that only the
// files that put it to work include it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "output.h"
#include "wpack/container.h"
#include "wpack/error.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the parser's own
class App;
class Option;
}  // namespace CLI

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

// Adds a command that --help does not list and that does nothing itself: one of its steps, which
// are commands too, is called with it.
CLI::App& add_hidden_command(CLI::App& app, const std::string& name,
                             const std::string& description);
CLI::App& add_step(CLI::App& hidden_command, const std::string& name,
                   const std::string& description);

// Calls `function` once the options of `command` are understood, if it is the one that was called.
void on_chosen(CLI::App& command, std::function<void()> function);

// For on_chosen: end it with a failure of usage. What `name` names is missing, or cannot be as it
// was given.
[[noreturn]] void refuse_missing(const std::string& name);
[[noreturn]] void refuse_value(const std::string& name, const std::string& reason);

// An option, or an argument, of a command, and valid as long as that: restricts what may be given.
class Option {
 public:
  // Returns why `value` is refused; empty if it is not.
  using Check = std::function<std::string(const std::string& value)>;

  explicit Option(CLI::Option& option) : option_(&option) {}

  Option& required();
  Option& excludes(const Option& other);
  Option& within(int least, int most);
  Option& check(const Check& fault_of);

 private:
  CLI::Option* option_;
};

// Adds an option of one value, shown as `value_name`; or, where `names` starts with no dash, an
// argument, without one. Of a vector, the option may be given several times. Other types than those
// in use need a line of their own in command.cc.
template <typename T>
Option add_value(CLI::App& command, const std::string& names, T& value,
                 const std::string& value_name, const std::string& help);

// Adds the argument that stands for one value or more.
Option add_values(CLI::App& command, const std::string& name, std::vector<std::string>& values);

// Adds an option without a value, which sets `flag`; or, where `names` starts with "!", clears it.
Option add_flag(CLI::App& command, const std::string& names, bool& flag, const std::string& help);

void add_json_flag(CLI::App& command, bool& json);

// An option whose value `take` takes, or refuses with refuse_value.
void add_text(CLI::App& command, const std::string& name,
              const std::function<void(const std::string& text)>& take,
              const std::string& value_name, const std::string& help);

// An option whose value is a size such as 64MiB.
void add_size(CLI::App& command, const std::string& name, std::uint64_t& value,
              const std::string& help);
void add_size(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& value,
              const std::string& help);

// --max-index, for every command that opens a container.
void add_index_limit(CLI::App& command, std::uint64_t& max_index_bytes);

// --access, for every command that reads, or says how it would.
void add_access(CLI::App& command, AccessMode& access);

// --verify and --budget, for the same.
void add_verify(CLI::App& command, std::optional<VerifyPolicy>& verify);
void add_budget(CLI::App& command, std::optional<std::uint64_t>& budget);

// --no-profile, for the same: false leaves aside what `wpack tune` has kept.
void add_profile_flag(CLI::App& command, bool& use_profile);

// An option whose value is one word of a list: `choose` is told which, counted from 0.
void add_word(CLI::App& command, const std::string& name, const std::vector<std::string>& words,
              const std::function<void(std::size_t chosen)>& choose, const std::string& help);

// The same, where each word stands for a value.
template <typename T>
void add_choice(CLI::App& command, const std::string& name, T& value,
                std::initializer_list<std::pair<std::string_view, T>> choices,
                const std::string& help) {
  std::vector<std::string> words;
  std::vector<T> values;
  for (const auto& choice : choices) {
    words.emplace_back(choice.first);
    values.push_back(choice.second);
  }
  const auto choose = [values, &value](std::size_t chosen) { value = values.at(chosen); };
  add_word(command, name, words, choose, help);
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
