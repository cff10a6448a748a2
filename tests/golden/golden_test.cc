// The golden containers are what today's writer writes, and what the specification shows.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/pack.h"

namespace wpack {
namespace {

using testing::IsOk;
using testing::read_file;
using testing::TempDir;

const std::filesystem::path kGoldens = testing::source_directory() / "tests/golden";

std::map<std::string, std::string> files_of(const std::filesystem::path& container) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(container))
    files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

std::vector<std::pair<std::string, std::string>> listed_goldens() {
  std::vector<std::pair<std::string, std::string>> goldens;
  std::ifstream in(kGoldens / "goldens.txt");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string name;
    std::string source;
    if (words >> name >> source && name != "#") goldens.emplace_back(name, source);
  }
  return goldens;
}

TEST(GoldenTest, IsWrittenAgainByteForByte) {
  const auto goldens = listed_goldens();
  ASSERT_GE(goldens.size(), 4U);
  for (const auto& [name, source_name] : goldens) {
    const TempDir directory;
    ASSERT_OK_AND_ASSIGN(const auto source, open_tensor_source(testing::test_data() / source_name));
    ASSERT_THAT(pack(*source, directory.file("new.wpack")), IsOk());
    EXPECT_TRUE(files_of(directory.path() / "new.wpack") == files_of(kGoldens / name)) << name;
  }
}

TEST(GoldenTest, ListsEveryGoldenContainer) {
  std::size_t containers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGoldens))
    containers += entry.is_directory() ? 1 : 0;
  EXPECT_EQ(containers, listed_goldens().size());
}

// The dump of SPEC section 11: bytes by file and offset.
std::map<std::string, std::map<std::size_t, char>> dumped_bytes() {
  std::map<std::string, std::map<std::size_t, char>> files;
  std::ifstream in(testing::source_directory() / "format/SPEC.md");
  std::string file;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line.starts_with("## 11.");
    if (!inside) continue;
    if (line.ends_with(".wpi:") || line.ends_with(".wps:")) file = line.substr(0, line.size() - 1);
    const bool is_dump = line.size() > 10 && line.find_first_not_of("0123456789abcdef") == 8;
    if (!is_dump) continue;
    std::size_t offset = std::stoul(line.substr(0, 8), nullptr, 16);
    std::istringstream bytes(line.substr(10, 47));
    for (std::string byte; bytes >> byte;)
      files[file][offset++] = static_cast<char>(std::stoul(byte, nullptr, 16));
  }
  return files;
}

TEST(SpecificationTest, ShowsEveryByteOfTheMinimalContainer) {
  const auto dump = dumped_bytes();
  ASSERT_EQ(dump.size(), 2U);
  for (const auto& [name, bytes] : dump) {
    const std::string file = read_file(kGoldens / "minimal.wpack" / name);
    for (const auto& [offset, byte] : bytes) {
      ASSERT_LT(offset, file.size()) << name;
      EXPECT_EQ(file[offset], byte) << name << " at " << offset;
    }
    for (std::size_t offset = 0; offset < file.size(); ++offset) {
      EXPECT_TRUE(file[offset] == '\0' || bytes.contains(offset)) << name << " at " << offset;
    }
  }
}

}  // namespace
}  // namespace wpack
