#include "sources.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

namespace wpack::cli {
namespace {

// A header of entries that are appended as text: nlohmann's ordered object looks at every key
// before it takes another one.
class Header {
 public:
  void add(const std::string& key, const Json& value) {
    text_ += (text_.empty() ? '{' : ',') + Json(key).dump() + ':' + value.dump();
  }

  // The front of a safetensors file, up to its payload.
  [[nodiscard]] std::string file() const {
    std::string text = (text_.empty() ? "{" : text_) + '}';
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string file;
    for (int shift = 0; shift < 64; shift += 8) {
      file += static_cast<char>((text.size() >> shift) & 0xFFU);
    }
    return file + text;
  }

 private:
  std::string text_;
};

}  // namespace

std::string safetensors_file(const std::vector<TensorSpec>& tensors,
                             const std::vector<std::pair<std::string, std::string>>& metadata) {
  Header header;
  Json entries = Json::object();
  for (const auto& [key, value] : metadata) entries[key] = value;
  if (!entries.empty()) header.add("__metadata__", entries);
  std::string payload;
  for (const TensorSpec& tensor : tensors) {
    const std::size_t begin = payload.size();
    payload += tensor.bytes;
    header.add(tensor.name, {{"dtype", tensor.dtype},
                             {"shape", tensor.shape},
                             {"data_offsets", {begin, payload.size()}}});
  }
  return header.file() + payload;
}

std::string safetensors_header(std::size_t count, std::uint64_t nbytes) {
  Header header;
  for (std::size_t i = 0; i < count; ++i) {
    header.add("model.layers." + std::to_string(i) + ".weight",
               {{"dtype", "F32"},
                {"shape", {nbytes / 4}},
                {"data_offsets", {i * nbytes, (i + 1) * nbytes}}});
  }
  return header.file();
}

std::string noise(std::size_t size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator() & 0xFFU);
  return bytes;
}

std::string small_model() {
  return safetensors_file({{"model.embed_tokens.weight", "BF16", {16, 8}, noise(256, 1)},
                           {"model.layers.0.mlp.up_proj.weight", "F32", {8, 4}, noise(128, 2)},
                           {"model.layers.0.mlp.scale", "F64", {}, noise(8, 3)},
                           {"model.layers.1.mlp.up_proj.weight", "F32", {8, 4}, noise(128, 4)},
                           {"model.layers.1.mlp.empty", "I64", {0, 4}, ""}},
                          {{"format", "pt"}, {"note", "a \"quoted\" word"}});
}

std::string pack_file(const testing::TempDir& directory, std::string_view name,
                      std::string_view contents, const Arguments& options) {
  const std::string source = directory.write(std::string(name) + ".source", contents);
  const std::string target = directory.file(std::string(name) + ".wpack");
  Arguments arguments = {"pack", source, "-o", target};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome packed = run(arguments);
  EXPECT_EQ(packed.status, 0) << packed.err;
  return target;
}

void damage(const std::string& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  ASSERT_NE(byte, std::char_traits<char>::eof()) << path;
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x40));
}

std::map<std::string, std::string> tree(const std::string& path) {
  namespace fs = std::filesystem;
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    std::string& value = contents[entry.path().lexically_relative(path).string()];
    std::error_code link_to_nowhere;
    if (entry.is_directory(link_to_nowhere)) {
      value = "<directory>";
    } else {
      const bool regular = entry.is_regular_file(link_to_nowhere);
      value = regular ? testing::read_file(entry.path()) : "<special>";
    }
  }
  return contents;
}

}  // namespace wpack::cli
