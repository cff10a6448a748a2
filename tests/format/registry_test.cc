// format/REGISTRY.md and the code name the same element types.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.h"
#include "wpack/types.h"

namespace wpack {
namespace {

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line);
  std::string cell;
  while (std::getline(stream, cell, '|')) {
    const auto begin = cell.find_first_not_of(' ');
    const auto end = cell.find_last_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, end - begin + 1));
  }
  return cells;
}

// The rows of the table of element types: number, name, safetensors, torch, bits.
std::vector<std::vector<std::string>> documented_types() {
  std::ifstream in(testing::source_directory() / "format/REGISTRY.md");
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## Element types");
    const std::vector<std::string> cells = cells_of(line);
    const bool row = inside && cells.size() >= 6 && !cells[1].empty() &&
                     cells[1].find_first_not_of("0123456789") == std::string::npos;
    if (row) rows.push_back({cells.begin() + 1, cells.begin() + 6});
  }
  return rows;
}

TEST(RegistryTest, ListsEveryElementTypeOfTheCode) {
  const auto rows = documented_types();
  ASSERT_EQ(rows.size(), all_dtypes().size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const DTypeInfo& type = all_dtypes()[i];
    EXPECT_EQ(rows[i][0], std::to_string(static_cast<unsigned>(type.dtype)));
    EXPECT_EQ(rows[i][1], type.name);
    EXPECT_EQ(rows[i][2], type.safetensors ? "same" : "–") << type.name;
    EXPECT_EQ(rows[i][3], type.torch_name.empty() ? "–" : type.torch_name) << type.name;
    EXPECT_EQ(rows[i][4], std::to_string(type.bits)) << type.name;
  }
}

}  // namespace
}  // namespace wpack
