// How --help looks: 80 columns, and in a form that help2man understands.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace wpack::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  // `usage` is what follows "wpack " in the line that shows how it is called.
  explicit HelpFormatter(std::string usage);

  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;

 private:
  std::string usage_;
};

}  // namespace wpack::cli
