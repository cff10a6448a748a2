// Runs a target on every file of the folders that are named: the corpus as a plain test, in builds
// whose compiler has no libFuzzer.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz_target.h"

namespace {

std::vector<char> contents_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      // Printed first, so that the input that ends the process stands last.
      (void)std::printf("%s\n", entry.path().c_str());
      (void)std::fflush(stdout);
      const std::vector<char> bytes = contents_of(entry.path());
      (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                   bytes.size());
      ++count;
    }
  }
  (void)std::printf("%zu inputs\n", count);
  return count == 0 ? 1 : 0;
}
