// Folders as models are shared: safetensors files, and the index that names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/safetensors_bytes.h"
#include "support/temp_dir.h"

namespace wpack::testing {

using ModelTensors = std::map<std::string, std::string>;  // bytes of U8 tensors by name

inline constexpr std::string_view kIndexName = "model.safetensors.index.json";

// A safetensors file of these tensors, with "format": "pt" as its metadata, to the byte as the
// library writes it.
inline std::string model_shard(const ModelTensors& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string payload;
  for (const auto& [name, bytes] : tensors) {
    header[name] = {{"dtype", "U8"},
                    {"shape", {bytes.size()}},
                    {"data_offsets", {payload.size(), payload.size() + bytes.size()}}};
    payload += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return length_field(text.size()) + text + payload;
}

class ModelFolder {
 public:
  // A new folder, which is removed in the end, or one that exists and stays.
  ModelFolder() : own_(std::make_unique<TempDir>()), path_(own_->path()) {}
  explicit ModelFolder(std::filesystem::path path) : path_(std::move(path)) {}

  // Writes a file of these tensors, which the index names.
  ModelFolder& shard(const std::string& file, const ModelTensors& tensors) {
    write(file, model_shard(tensors));
    for (const auto& [name, bytes] : tensors) {
      index["weight_map"][name] = file;
      index["metadata"]["total_size"] =
          index["metadata"].value("total_size", std::size_t{0}) + bytes.size();
    }
    return *this;
  }
  ModelFolder& write(const std::string& file, std::string_view contents) {
    std::ofstream out(path_ / file, std::ios::binary);
    out.write(contents.data(), static_cast<std::streamsize>(contents.size()));
    if (!out) throw std::runtime_error("cannot write " + file);
    return *this;
  }
  // Writes the index, as it is by now.
  ModelFolder& write_index(std::string_view name = kIndexName) {
    return write(std::string(name), index.dump());
  }

  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

  nlohmann::ordered_json index = {{"metadata", nlohmann::ordered_json::object()}};

 private:
  std::unique_ptr<TempDir> own_;
  std::filesystem::path path_;
};

// Three files of four tensors, without their index.
inline void add_small_shards(ModelFolder& folder) {
  folder.shard("model-00001-of-00003.safetensors", {{"embed.weight", std::string(300, 'e')}})
      .shard("model-00002-of-00003.safetensors",
             {{"layers.0.up", std::string(200, '0')}, {"layers.0.down", std::string(100, 'd')}})
      .shard("model-00003-of-00003.safetensors", {{"norm.weight", "nnnn"}});
}

}  // namespace wpack::testing
