#include "command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "help_formatter.h"
#include "size_option.h"

namespace wpack::cli {
namespace {

// Of a number, or of one that may be missing.
template <typename Value>
void add_size_option(CLI::App& command, const std::string& name, Value& value,
                     const std::string& help) {
  const auto take = [name, &value](const std::string& text) {
    const Result<std::uint64_t> size = parse_size(text);
    if (!size) refuse_value(name, size.error().message());
    value = *size;
  };
  add_text(command, name, take, "SIZE", help);
}

}  // namespace

CLI::App& add_command(CLI::App& app, const CommandText& text) {
  CLI::App& command = *app.add_subcommand(text.name, text.description);
  command.formatter(help_formatter(text.usage));
  command.group("Commands");
  command.set_help_flag("-h,--help", "print this help");
  if (!text.examples.empty()) command.footer("Examples:\n" + text.examples);
  return command;
}

CLI::App& add_hidden_command(CLI::App& app, const std::string& name,
                             const std::string& description) {
  CLI::App& command = *app.add_subcommand(name, description);
  command.group("");
  command.require_subcommand(1);
  return command;
}

CLI::App& add_step(CLI::App& hidden_command, const std::string& name,
                   const std::string& description) {
  return *hidden_command.add_subcommand(name, description);
}

void on_chosen(CLI::App& command, std::function<void()> function) {
  command.callback(std::move(function));
}

void refuse_missing(const std::string& name) { throw CLI::RequiredError(name); }

void refuse_value(const std::string& name, const std::string& reason) {
  throw CLI::ValidationError(name, reason);
}

Option& Option::required() {
  option_->required();
  return *this;
}

Option& Option::excludes(const Option& other) {
  option_->excludes(other.option_);
  return *this;
}

Option& Option::within(int least, int most) {
  option_->check(CLI::Range(least, most));
  return *this;
}

Option& Option::check(const Check& fault_of) {
  option_->check(fault_of, "");
  return *this;
}

template <typename T>
Option add_value(CLI::App& command, const std::string& names, T& value,
                 const std::string& value_name, const std::string& help) {
  return Option(*command.add_option(names, value, help)
                     ->type_name(value_name)
                     ->option_text(value_name)
                     ->allow_extra_args(false));
}

template Option add_value(CLI::App&, const std::string&, std::string&, const std::string&,
                          const std::string&);
template Option add_value(CLI::App&, const std::string&, std::vector<std::string>&,
                          const std::string&, const std::string&);
template Option add_value(CLI::App&, const std::string&, std::optional<std::string>&,
                          const std::string&, const std::string&);
template Option add_value(CLI::App&, const std::string&, double&, const std::string&,
                          const std::string&);
template Option add_value(CLI::App&, const std::string&, int&, const std::string&,
                          const std::string&);
template Option add_value(CLI::App&, const std::string&, std::uint32_t&, const std::string&,
                          const std::string&);
template Option add_value(CLI::App&, const std::string&, std::optional<std::uint32_t>&,
                          const std::string&, const std::string&);
template Option add_value(CLI::App&, const std::string&, std::uint64_t&, const std::string&,
                          const std::string&);

Option add_values(CLI::App& command, const std::string& name, std::vector<std::string>& values) {
  return Option(*command.add_option(name, values));
}

Option add_flag(CLI::App& command, const std::string& names, bool& flag, const std::string& help) {
  if (!names.starts_with('!')) return Option(*command.add_flag(names, flag, help));
  // CLI11's own way would show the value: "--no-profile{false}".
  return Option(*command.add_flag_callback(
      names.substr(1), [&flag] { flag = false; }, help));
}

void add_profile_flag(CLI::App& command, bool& use_profile) {
  add_flag(command, "!--no-profile", use_profile, "leave aside what wpack tune has measured");
}

void add_json_flag(CLI::App& command, bool& json) {
  add_flag(command, "--json", json, "print JSON, with a \"schema\" number, to stdout");
}

void add_text(CLI::App& command, const std::string& name,
              const std::function<void(const std::string& text)>& take,
              const std::string& value_name, const std::string& help) {
  command.add_option_function<std::string>(name, take, help)->option_text(value_name);
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

void add_verify(CLI::App& command, std::optional<VerifyPolicy>& verify) {
  add_choice<std::optional<VerifyPolicy>>(
      command, "--verify", verify,
      {{"index", VerifyPolicy::kIndex},
       {"touch", VerifyPolicy::kTouch},
       {"full", VerifyPolicy::kFull}},
      "what is checked: no payload, what is handed out, or everything at open; default: touch for "
      "bytes that are read, index for mapped ones");
}

void add_budget(CLI::App& command, std::optional<std::uint64_t>& budget) {
  add_size(command, "--budget", budget,
           "the most private memory that tensors may take: layers are read into it one after the "
           "other, and let go");
}

void add_word(CLI::App& command, const std::string& name, const std::vector<std::string>& words,
              const std::function<void(std::size_t chosen)>& choose, const std::string& help) {
  std::string shown;
  for (const std::string& word : words) shown += (shown.empty() ? "" : "|") + word;
  const auto take = [name, words, shown, choose](const std::string& text) {
    const auto found = std::find(words.begin(), words.end(), text);
    if (found == words.end()) refuse_value(name, "'" + text + "' is none of " + shown);
    choose(static_cast<std::size_t>(found - words.begin()));
  };
  add_text(command, name, take, shown, help);
}

}  // namespace wpack::cli
