// golden_bad.tsv: what each golden bad container breaks, and how it is refused.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/paths.h"

namespace wpack::testing {

// A row; README.md says what the columns mean.
struct BadContainer {
  std::string name;
  std::string rule;
  std::string moment;
  std::string kind;
  std::string command;
  int exit_status = 0;
  int verify_status = 0;
  std::string message;
  std::string broken;
};

inline std::filesystem::path golden_bad_directory() {
  return source_directory() / "tests/golden_bad";
}

inline std::vector<std::string> split_at_tabs(const std::string& line) {
  std::vector<std::string> cells(1);
  for (const char byte : line) {
    if (byte == '\t') {
      cells.emplace_back();
    } else {
      cells.back() += byte;
    }
  }
  return cells;
}

inline std::vector<BadContainer> read_golden_bad_table() {
  std::ifstream in(golden_bad_directory() / "golden_bad.tsv");
  std::string line;
  std::getline(in, line);
  if (line != "name\trule\tmoment\tkind\tcommand\texit\tverify_exit\tmessage\tbroken")
    throw std::runtime_error("golden_bad.tsv has other columns: " + line);
  std::vector<BadContainer> rows;
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split_at_tabs(line);
    if (cells.size() != 9) throw std::runtime_error("golden_bad.tsv has a bad row: " + line);
    rows.push_back({cells[0], cells[1], cells[2], cells[3], cells[4], std::stoi(cells[5]),
                    std::stoi(cells[6]), cells[7], cells[8]});
  }
  return rows;
}

}  // namespace wpack::testing
