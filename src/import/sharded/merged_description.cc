#include "import/sharded/merged_description.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "base/checked_math.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::size_t kMaxMetadata = 65'536;  // of the format
constexpr std::uint64_t kHeap = 32;           // what an allocation costs beside its bytes

std::uint64_t memory_of(const std::string& text) {
  return sizeof(std::string) + (text.capacity() > 15 ? text.capacity() + kHeap : 0);
}

Error error_of_tensor(std::string_view name, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("tensor \"{}\" {}", escape_name(name), reason)};
}

void append(std::vector<std::string>& to, std::vector<std::string> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Status MergedDescription::add(const std::string& name, SourceDescription shard) {
  if (first_tensors_.empty()) {
    description_.format = shard.format;
    description_.order = shard.order;
  } else if (shard.format != description_.format) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("is {}, but {} is {}; the files of one checkpoint have one format",
                             shard.format, escape_name(description_.files.front().name),
                             description_.format));
  }
  for (std::string& warning : shard.warnings)
    warning = fmt::format("{}: {}", escape_name(name, 256), warning);
  for (const std::string& leaf : shard.dropped_leaves) meter_.add(memory_of(leaf));
  for (const std::string& warning : shard.warnings) meter_.add(memory_of(warning));
  first_tensors_.push_back(description_.tensors.size());
  add_tensors(std::move(shard.tensors));
  WPACK_TRY(add_metadata(name, std::move(shard.metadata)));
  description_.files.push_back(std::move(shard.files.front()));
  append(description_.warnings, std::move(shard.warnings));
  append(description_.dropped_leaves, std::move(shard.dropped_leaves));
  return meter_.check();
}

// Numbers of storages are those of one file.
void MergedDescription::add_tensors(std::vector<SourceTensor> tensors) {
  std::unordered_map<std::uint32_t, std::uint32_t> storages;
  for (SourceTensor& tensor : tensors) {
    meter_.add_tensor(tensor.name.size(), tensor.shape.size());
    if (tensor.storage) {
      const auto [at, is_new] = storages.try_emplace(tensor.storage->id, next_storage_);
      if (is_new) ++next_storage_;
      tensor.storage->id = at->second;
    }
    description_.tensors.push_back(std::move(tensor));
  }
}

Status MergedDescription::add_metadata(const std::string& name,
                                       std::vector<MetadataEntry> entries) {
  for (MetadataEntry& entry : entries) {
    const std::string key = static_cast<char>(entry.origin) + entry.key;
    const auto [at, is_new] = metadata_by_key_.try_emplace(key, description_.metadata.size());
    if (!is_new) {
      if (description_.metadata[at->second] == entry || metadata_differs_) continue;
      metadata_differs_ = true;
      description_.warnings.push_back(
          fmt::format("{}: metadata \"{}\" differs from that of an earlier file, which is kept "
                      "(and likewise elsewhere)",
                      escape_name(name, 256), escape_name(entry.key, 256)));
      continue;
    }
    if (description_.metadata.size() == kMaxMetadata) {
      return Error(ErrorCode::kLimit,
                   fmt::format("more than {} entries of metadata in all files", kMaxMetadata));
    }
    meter_.add(2 * memory_of(entry.key) + memory_of(entry.value) + sizeof(entry));
    description_.metadata.push_back(std::move(entry));
  }
  return {};
}

std::size_t MergedDescription::shard_of(std::size_t tensor) const {
  const auto after = std::ranges::upper_bound(first_tensors_, tensor);
  return static_cast<std::size_t>(after - first_tensors_.begin()) - 1;
}

std::string MergedDescription::file_of(std::size_t tensor) const {
  return escape_name(description_.files[shard_of(tensor)].name, 256);
}

std::vector<std::uint32_t> MergedDescription::tensors_by_name() const {
  std::vector<std::uint32_t> order(description_.tensors.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](std::uint32_t tensor) -> const std::string& {
    return description_.tensors[tensor].name;
  });
  return order;
}

Status MergedDescription::check(const folder::WeightMap* index, const std::string& index_name) {
  const std::vector<std::uint32_t> order = tensors_by_name();
  for (std::size_t i = 1; i < order.size(); ++i) {
    const std::string& name = description_.tensors[order[i]].name;
    if (description_.tensors[order[i - 1]].name != name) continue;
    return error_of_tensor(
        name, fmt::format("is both in {} and in {}", file_of(order[i - 1]), file_of(order[i])));
  }
  if (index == nullptr) return {};
  WPACK_TRY(check_index(*index, index_name, order));
  if (index->total_size()) note_total_size(*index->total_size(), index_name);
  return {};
}

// Both lists ascend by name.
Status MergedDescription::check_index(const folder::WeightMap& index, const std::string& index_name,
                                      std::span<const std::uint32_t> order) {
  std::vector<std::uint32_t> unnamed;
  std::size_t place = 0;
  const auto name = [&] { return std::string_view(description_.tensors[order[place]].name); };
  for (std::size_t i = 0; i < index.size(); ++i) {
    const std::string_view wanted = index.name(i);
    const std::string file = escape_name(index.files()[index.file(i)], 256);
    for (; place < order.size() && name() < wanted; ++place) unnamed.push_back(order[place]);
    if (place == order.size() || name() != wanted)
      return error_of_tensor(wanted,
                             fmt::format("is not in {}, where {} says it is", file, index_name));
    if (shard_of(order[place]) != index.file(i)) {
      return error_of_tensor(wanted, fmt::format("is in {}, not in {}, where {} says it is",
                                                 file_of(order[place]), file, index_name));
    }
    ++place;
  }
  unnamed.insert(unnamed.end(), order.begin() + static_cast<std::ptrdiff_t>(place), order.end());
  if (!unnamed.empty()) note_unnamed(unnamed, index_name);
  return {};
}

void MergedDescription::note_unnamed(std::span<const std::uint32_t> tensors,
                                     const std::string& index_name) {
  const std::string more =
      tensors.size() > 1 ? fmt::format(" (and {} more)", tensors.size() - 1) : "";
  description_.warnings.push_back(
      fmt::format("tensor \"{}\" of {} is not in {}{}; it is packed too",
                  escape_name(description_.tensors[tensors.front()].name, 256),
                  file_of(tensors.front()), index_name, more));
}

// Tied tensors may be counted once, or each time.
void MergedDescription::note_total_size(std::uint64_t total_size, const std::string& index_name) {
  std::uint64_t all = 0;
  std::uint64_t once = 0;
  std::set<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> seen;
  for (const SourceTensor& tensor : description_.tensors) {
    const auto sum = base::checked_add(all, tensor.nbytes);
    if (!sum) return;
    all = *sum;
    const bool tied =
        tensor.storage &&
        !seen.emplace(tensor.storage->id, tensor.storage->byte_offset, tensor.nbytes).second;
    if (!tied) once += tensor.nbytes;
  }
  if (total_size == all || total_size == once) return;
  description_.warnings.push_back(fmt::format("{}: total_size is {}, but the tensors have {} bytes",
                                              index_name, total_size, all));
}

}  // namespace wpack::import
