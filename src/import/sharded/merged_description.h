// Descriptions of shards become one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "folder/weight_map.h"
#include "import/memory_meter.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// Collects descriptions, shard by shard. Storages stay apart, equal metadata is kept once.
class MergedDescription {
 public:
  // `meter` is charged for what is kept, and outlives the object.
  explicit MergedDescription(MemoryMeter& meter) : meter_(meter) {}

  // Adds the description of the file `name`.
  // Errors: kBadInput (another format than the files before), kLimit. Messages do not name the
  // file.
  [[nodiscard]] Status add(const std::string& name, SourceDescription shard);

  // The position of the first tensor of each shard, in the order of add().
  [[nodiscard]] const std::vector<std::size_t>& first_tensors() const noexcept {
    return first_tensors_;
  }

  // Holds the tensors against each other and, unless it is null, against `index`, whose files are
  // the shards. `index_name` is what messages call it.
  // Errors: kBadInput (a tensor in two files, in none, or in another than the index says; tensor
  // and files are named).
  [[nodiscard]] Status check(const folder::WeightMap* index, const std::string& index_name);

  [[nodiscard]] SourceDescription take() { return std::move(description_); }

 private:
  [[nodiscard]] std::size_t shard_of(std::size_t tensor) const;
  [[nodiscard]] std::string file_of(std::size_t tensor) const;  // for messages
  [[nodiscard]] std::vector<std::uint32_t> tensors_by_name() const;
  void add_tensors(std::vector<SourceTensor> tensors);
  [[nodiscard]] Status add_metadata(const std::string& name, std::vector<MetadataEntry> entries);
  [[nodiscard]] Status check_index(const folder::WeightMap& index, const std::string& index_name,
                                   std::span<const std::uint32_t> order);
  void note_unnamed(std::span<const std::uint32_t> tensors, const std::string& index_name);
  void note_total_size(std::uint64_t total_size, const std::string& index_name);

  MemoryMeter& meter_;
  SourceDescription description_;
  std::vector<std::size_t> first_tensors_;
  std::uint32_t next_storage_ = 0;
  std::unordered_map<std::string, std::size_t> metadata_by_key_;  // with its origin in front
  bool metadata_differs_ = false;
};

}  // namespace wpack::import
