// The index of a sharded checkpoint: an input is its text. An accepted index is JSON, says what was
// read from it, and names nothing outside of its folder.
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/file_name.h"
#include "folder/weight_files.h"
#include "folder/weight_map.h"
#include "fuzz_target.h"
#include "property.h"

namespace wpack::fuzz {
namespace {

using folder::WeightMap;
using Document = nlohmann::json;

void require_plain_files(const WeightMap& map) {
  std::set<std::string_view> files(map.files().begin(), map.files().end());
  require(files.size() == map.files().size() && !files.empty(), "files are unique");
  for (const std::string_view file : files) {
    require(base::is_plain_file_name(file), "a file is a plain name");
    require(!file.empty() && file.size() <= 255 && file.front() != '.' &&
                file.find_first_of("/\\") == std::string_view::npos,
            "a file stays in its folder");
    require_one_line(file, "the name of a file");
  }
}

// Another parser reads the same text and finds the same in it.
void require_same_as_document(const WeightMap& map, std::string_view text) {
  const Document document = Document::parse(text, nullptr, false);
  require(document.is_object(), "an accepted index is a JSON object");
  const Document& entries = document.at("weight_map");
  require(entries.size() == map.size(), "every entry is kept");
  std::string_view previous;
  for (std::size_t i = 0; i < map.size(); ++i) {
    require(i == 0 || previous < map.name(i), "names ascend");
    previous = map.name(i);
    require(map.file(i) < map.files().size(), "a tensor has a file");
    const auto found = entries.find(map.name(i));
    require(found != entries.end() && *found == map.files()[map.file(i)],
            "a tensor's file is the entry's");
  }
  if (!map.total_size()) return;
  require(document.at("metadata").at("total_size") == *map.total_size(), "the size is metadata's");
}

void run(std::string_view text) {
  // The name of a file, as a folder might have it.
  const std::vector<std::string> names = {std::string(text.substr(0, 255)), "model.safetensors"};
  if (const auto weights = folder::choose_weights(names); !weights)
    require_refusal(weights.error());
  const auto map = WeightMap::parse(text);
  if (!map) return require_refusal(map.error());
  for (const std::string& warning : map->warnings()) require_one_line(warning, "a warning");
  require_plain_files(*map);
  require_same_as_document(*map, text);
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size, so that reading past it is noticed.
  const std::vector<char> text(data, data + size);
  wpack::fuzz::run({text.data(), text.size()});
  return 0;
}
