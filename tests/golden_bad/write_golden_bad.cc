// write_golden_bad DIRECTORY: writes every golden bad container anew, below a directory.
#include <cstdio>
#include <exception>

#include "recipes.h"

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::fputs("usage: write_golden_bad DIRECTORY\n", stderr);
    return 2;
  }
  try {
    for (const wpack::testing::Recipe& recipe : wpack::testing::all_recipes()) {
      const fs::path path = fs::path(argv[1]) / (recipe.name + ".wpack");
      fs::remove_all(path);
      recipe.make(path);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "write_golden_bad: %s\n", error.what());
    return 1;
  }
  return 0;
}
