// Sources and containers to run the command on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "command.h"

namespace wpack::cli {

// A tensor of a safetensors file.
struct TensorSpec {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string bytes;
};

// Returns the file that holds `tensors` in their order.
[[nodiscard]] std::string safetensors_file(
    const std::vector<TensorSpec>& tensors,
    const std::vector<std::pair<std::string, std::string>>& metadata = {});

// Returns the header of a file of `count` float32 tensors of `nbytes` bytes each, without payload:
// the rest of the file may be a hole.
[[nodiscard]] std::string safetensors_header(std::size_t count, std::uint64_t nbytes);

// Returns `size` bytes that repeat nowhere nearby.
[[nodiscard]] std::string noise(std::size_t size, std::uint32_t seed);

// Two numbered layers, an embedding, a 0-d and an empty tensor.
[[nodiscard]] std::string small_model();

// Packs `contents` as `directory/name.wpack` and returns its path; fails the test if that fails.
[[nodiscard]] std::string pack_file(const testing::TempDir& directory, std::string_view name,
                                    std::string_view contents, const Arguments& options = {});

// Replaces the byte at `offset` of a file by another one.
void damage(const std::string& path, std::uint64_t offset);

// The whole content of a directory tree: relative path to contents ("<directory>", "<special>" for
// what is no regular file).
[[nodiscard]] std::map<std::string, std::string> tree(const std::string& path);

}  // namespace wpack::cli
