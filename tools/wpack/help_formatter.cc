#include "help_formatter.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>

namespace wpack::cli {
namespace {

constexpr std::size_t kHelpColumns = 80;
constexpr std::size_t kTextColumn = 28;

// Breaks `text` between words, so that lines after the first start at the text column.
std::string wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string lines;
  std::size_t column = kTextColumn;
  for (std::string word; words >> word;) {
    if (lines.empty()) {
      lines = word;
    } else if (column + 1 + word.size() <= kHelpColumns) {
      lines += " " + word;
      ++column;
    } else {
      lines += "\n" + std::string(kTextColumn, ' ') + word;
      column = kTextColumn;
    }
    column += word.size();
  }
  return lines;
}

class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(kTextColumn);
    label("Positionals", "Arguments");
  }

  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
    return fmt::format("\nUsage: wpack {}\n", usage_);
  }

  std::string make_option(const CLI::Option* option, bool is_positional) const override;

 private:
  std::string usage_;
};

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string names = "  " + make_option_name(option, is_positional);
  if (const std::size_t comma = names.find(','); comma != std::string::npos) {
    names.insert(comma + 1, 1, ' ');
  }
  if (!option->get_option_text().empty()) names += " " + option->get_option_text();
  if (names.size() + 2 > kTextColumn) names += "\n";
  const std::size_t used = names.back() == '\n' ? 0 : names.size();
  return fmt::format("{}{:{}}{}\n", names, "", kTextColumn - used,
                     wrapped(option->get_description()));
}

// CLI::App::help() would explain the command that was parsed, which is `help` itself.
std::string help_text_of(const CLI::App& command) {
  return command.get_formatter()->make_help(&command, command.get_name(),
                                            CLI::AppFormatMode::Normal);
}

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_formatter(const std::string& usage) {
  return std::make_shared<HelpFormatter>(usage);
}

std::optional<std::string> help_of(const CLI::App& app, const std::string& name) {
  if (name.empty()) return help_text_of(app);
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == name) return help_text_of(*command);
  }
  return std::nullopt;
}

}  // namespace wpack::cli
