// How --help looks: 80 columns, and in a form that help2man understands.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the parser's own
class App;
class FormatterBase;
}  // namespace CLI

namespace wpack::cli {

// `usage` is what follows "wpack " in the line that shows how it is called.
[[nodiscard]] std::shared_ptr<CLI::FormatterBase> help_formatter(const std::string& usage);

// Returns what --help prints of the command `name`, or of `app` itself if that is empty; nullopt if
// there is no such command.
[[nodiscard]] std::optional<std::string> help_of(const CLI::App& app, const std::string& name);

}  // namespace wpack::cli
