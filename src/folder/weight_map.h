// The index of a sharded checkpoint (`model.safetensors.index.json`,
// `pytorch_model.bin.index.json`): which file holds which tensor. Pure.
//
//   {"metadata": {"total_size": 26031870976, ...},
//    "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors", ...}}
//
// Refused: text that is not JSON, a weight_map that is missing, empty, or not an object of texts,
// keys that stand twice in it, at the top or in metadata, and files that are not plain names: the
// text may come from a stranger, and what it names is opened.
// Accepted: any metadata or none, and other keys (with a warning).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"

namespace wpack::folder {

// Bytes of an index that is read. Those of today's largest models have 25 MB.
inline constexpr std::uint64_t kMaxWeightMapText = std::uint64_t{64} << 20;

// Move-only. Thread safety: const members, from several threads at once.
class WeightMap {
 public:
  // Errors: kBadInput, kLimit (more than 2,097,152 tensors or 16,384
  // files, a text of more than 8 MiB); the message names the
  // place, not the file. Memory: the names and 12 bytes a tensor.
  [[nodiscard]] static Result<WeightMap> parse(std::string_view text);

  WeightMap(WeightMap&&) noexcept = default;
  WeightMap& operator=(WeightMap&&) noexcept = default;

  // The files, each once, in natural order.
  [[nodiscard]] std::span<const std::string> files() const noexcept { return files_; }
  // The tensors, in ascending byte order of their names.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::string_view name(std::size_t tensor) const noexcept {
    return name_of(entries_[tensor]);
  }
  // Position in files().
  [[nodiscard]] std::uint32_t file(std::size_t tensor) const noexcept {
    return entries_[tensor].file;
  }

  // The bytes of all tensors, if metadata says a whole number. Writers get it wrong.
  [[nodiscard]] std::optional<std::uint64_t> total_size() const noexcept { return total_size_; }
  // One line each.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }
  // Bytes of memory that it takes.
  [[nodiscard]] std::uint64_t kept_bytes() const noexcept;

 private:
  friend class WeightMapHandler;
  struct Entry {
    std::uint32_t name_begin = 0;  // in names_
    std::uint32_t name_size = 0;
    std::uint32_t file = 0;
  };

  WeightMap() = default;
  [[nodiscard]] std::string_view name_of(const Entry& entry) const noexcept {
    return std::string_view(names_).substr(entry.name_begin, entry.name_size);
  }
  void sort_files();
  [[nodiscard]] Status sort_tensors();

  std::string names_;
  std::vector<Entry> entries_;
  std::vector<std::string> files_;
  std::optional<std::uint64_t> total_size_;
  std::vector<std::string> warnings_;
};

}  // namespace wpack::folder
