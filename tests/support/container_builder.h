// Small containers, made row by row with the format's own index builder: the way to make one that
// is sound, and one that is broken in exactly one place.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/align.h"
#include "base/little_endian.h"
#include "format/checksum.h"
#include "format/index_builder.h"
#include "format/index_file.h"
#include "support/memory_source.h"
#include "wpack/types.h"

namespace wpack::testing {

// Changes one byte of a file in place.
inline void flip_byte(const std::filesystem::path& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x40));
  file.flush();
  if (!file) throw std::runtime_error("cannot change " + path.string());
}

class ContainerBuilder {
 public:
  using EnvelopePatch = std::function<void(format::EnvelopeBytes&)>;

  ContainerBuilder() {
    contents_.producer = "test";
    contents_.source_format = "test";
  }

  // Tensors, and extents, that follow belong to this layer.
  ContainerBuilder& layer(std::string name) {
    close_layer();
    contents_.layers.push_back({std::move(name), {}, {}});
    format::LayerRow& row = contents_.layers.back().row;
    row.tensor_first = size32(contents_.tensors);
    row.extent_first = size32(contents_.extents);
    return *this;
  }

  // The layer that is opened next starts a new shard.
  ContainerBuilder& new_shard() {
    close_layer();
    shards_.emplace_back(format::kEnvelopeSize);
    return *this;
  }

  // A tensor of type U8 with an extent of its own; without bytes it has none.
  ContainerBuilder& tensor(const std::string& name, std::vector<std::byte> bytes) {
    format::TensorRow row;
    if (!bytes.empty()) row.extent = add_extent(bytes, size32(contents_.layers) - 1);
    return add_tensor(name, row, std::move(bytes));
  }

  // Gives the last tensor this element type and shape, of as many bytes.
  ContainerBuilder& shaped(DType dtype, std::vector<std::uint64_t> shape) {
    auto& tensor = contents_.tensors.back();
    tensor.row.dtype = static_cast<std::uint16_t>(dtype);
    tensor.row.rank = static_cast<std::uint8_t>(shape.size());
    tensor.shape = std::move(shape);
    return *this;
  }

  // A tensor that shows bytes of another one, in this layer or an earlier one.
  ContainerBuilder& view(const std::string& name, const std::string& of, std::uint64_t offset,
                         std::uint64_t size) {
    const format::TensorRow& owner = row_of(of);
    format::TensorRow row;
    row.extent = owner.extent;
    row.byte_offset = owner.byte_offset + offset;
    row.alias_of = owner.alias_of == format::kNone ? id_of(of) : owner.alias_of;
    auto& layer = contents_.layers.back();
    const bool foreign = contents_.extents[row.extent].layer != size32(contents_.layers) - 1;
    if (foreign && std::ranges::find(layer.foreign, row.extent) == layer.foreign.end())
      layer.foreign.insert(std::ranges::upper_bound(layer.foreign, row.extent), row.extent);
    const auto& bytes = oracle_.at(of);
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    return add_tensor(name, row, {begin, begin + static_cast<std::ptrdiff_t>(size)});
  }

  // Attachments come last, in ascending order of name.
  ContainerBuilder& attachment(const std::string& name, const std::vector<std::byte>& bytes) {
    close_layer();
    format::AttachmentRow row;
    if (!bytes.empty()) row.extent = add_extent(bytes, format::kNone);
    contents_.attachments.push_back({name, row});
    return *this;
  }

  ContainerBuilder& chunk_log2(std::uint8_t value) {
    chunk_log2_ = value;
    return *this;
  }

  // Rows that can be set at will before build(); the builder fills in the rest.
  [[nodiscard]] format::IndexContents& contents() { return contents_; }
  [[nodiscard]] format::TensorRow& row_of(const std::string& name) {
    return contents_.tensors[id_of(name)].row;
  }
  // The bytes of shard `number`, envelope page included.
  [[nodiscard]] std::vector<std::byte>& shard(std::size_t number) { return shards_[number]; }
  // What every tensor should hold.
  [[nodiscard]] const std::map<std::string, std::vector<std::byte>>& oracle() const {
    return oracle_;
  }

  // Lengthens a shard by `size` zero bytes that take no space on the disk.
  ContainerBuilder& sparse_tail(std::size_t number, std::uint64_t size) {
    tails_[number] = size;
    return *this;
  }

  // Changes the FlatBuffer in place before build() computes the container's identity from it.
  ContainerBuilder& patch_index(std::function<void(MutableBytes)> patch) {
    patch_index_ = std::move(patch);
    return *this;
  }

  // The same, but the identity is that of the index before: for what makes it no index at all.
  ContainerBuilder& break_index(std::function<void(MutableBytes)> patch) {
    break_index_ = std::move(patch);
    return *this;
  }

  // Changes the envelope of shard `number`, or of the index (kNone), before build() computes its
  // checksum.
  ContainerBuilder& patch_envelope(std::uint32_t number, EnvelopePatch patch) {
    patch_envelope_[number] = std::move(patch);
    return *this;
  }

  // Returns the index that build() would write, without writing anything.
  [[nodiscard]] format::Index index() {
    const auto bytes = std::make_shared<std::vector<std::byte>>(flatbuffer());
    return format::Index::parse(*bytes, bytes).value();
  }

  // Writes the container into the directory `path`, which it makes, and returns the path.
  std::string build(const std::filesystem::path& path) {
    std::vector<std::byte> index = flatbuffer();
    if (patch_index_) patch_index_(index);
    const Uuid uuid = format::uuid_of_index(index);
    std::filesystem::create_directory(path);
    std::vector<std::uint64_t> hashes;
    for (std::uint32_t i = 0; i < shards_.size(); ++i) {
      const format::ShardRow& row = contents_.shards[i];
      auto page = format::encode_shard_envelope(uuid, i, size32(shards_), row.data_end);
      hashes.push_back(finish_envelope(i, page));
      std::ranges::copy(page, shards_[i].begin());
      write(path / format::shard_file_name(i), shards_[i]);
      std::filesystem::resize_file(path / format::shard_file_name(i), row.file_size);
    }
    format::set_envelope_hashes(index, hashes);
    if (break_index_) break_index_(index);
    std::vector<std::byte> file = format::encode_index_file(index, uuid, size32(shards_));
    format::EnvelopeBytes page;
    std::ranges::copy_n(file.begin(), page.size(), page.begin());
    finish_envelope(format::kNone, page);
    std::ranges::copy(page, file.begin());
    write(path / format::kIndexFileName, file);
    return path.string();
  }

 private:
  template <typename T>
  static std::uint32_t size32(const std::vector<T>& vector) {
    return static_cast<std::uint32_t>(vector.size());
  }

  std::vector<std::byte> flatbuffer() {
    close_layer();
    contents_.shards.clear();
    for (std::size_t i = 0; i < shards_.size(); ++i) {
      const std::uint64_t end = shards_[i].size() + tails_[i];
      contents_.shards.push_back(
          {.file_size = base::align_up(end, base::kPageSize), .data_end = end});
    }
    return format::build_index(contents_).value();
  }

  // Applies the patch of the file, makes the checksum right and returns it.
  std::uint64_t finish_envelope(std::uint32_t number, format::EnvelopeBytes& page) const {
    const auto patch = patch_envelope_.find(number);
    if (patch != patch_envelope_.end()) patch->second(page);
    const std::uint64_t hash = format::hash64(Bytes(page).first(page.size() - sizeof hash));
    base::store_le(&page[page.size() - sizeof hash], hash);
    return hash;
  }

  static void write(const std::filesystem::path& path, Bytes bytes) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    if (!out) throw std::runtime_error("cannot write " + path.string());
  }

  [[nodiscard]] std::uint32_t id_of(const std::string& name) const {
    for (std::uint32_t i = 0; i < contents_.tensors.size(); ++i) {
      if (contents_.tensors[i].name == name) return i;
    }
    throw std::runtime_error("no tensor " + name);
  }

  ContainerBuilder& add_tensor(const std::string& name, format::TensorRow row,
                               std::vector<std::byte> bytes) {
    row.nbytes = bytes.size();
    row.hash = format::hash64(bytes);
    row.layer = size32(contents_.layers) - 1;
    row.dtype = static_cast<std::uint16_t>(DType::kU8);
    row.rank = 1;
    contents_.tensors.push_back({name, {bytes.size()}, row});
    ++contents_.layers.back().row.tensor_count;
    oracle_[name] = std::move(bytes);
    return *this;
  }

  std::uint32_t add_extent(Bytes bytes, std::uint32_t layer) {
    if (shards_.empty()) shards_.emplace_back(format::kEnvelopeSize);
    auto& shard = shards_.back();
    const bool starts_layer = layer == format::kNone ||
                              contents_.layers.back().row.extent_first == size32(contents_.extents);
    const std::uint64_t alignment = starts_layer ? base::kPageSize : 256;
    shard.resize(base::align_up(shard.size(), alignment));
    format::ExtentRow row{.offset = shard.size(),
                          .stored_size = bytes.size(),
                          .raw_size = bytes.size(),
                          .shard = size32(shards_) - 1,
                          .layer = layer,
                          .chunk_first = size32(contents_.chunks),
                          .alignment_log2 = 8,
                          .chunk_log2 = chunk_log2_};
    const std::size_t chunk_size = std::size_t{1} << chunk_log2_;
    for (std::size_t at = 0; at < bytes.size(); at += chunk_size, ++row.chunk_count) {
      const Bytes chunk = bytes.subspan(at, std::min(chunk_size, bytes.size() - at));
      contents_.chunks.push_back({.offset = at,
                                  .hash = format::hash64(chunk),
                                  .stored_size = static_cast<std::uint32_t>(chunk.size())});
    }
    shard.insert(shard.end(), bytes.begin(), bytes.end());
    contents_.extents.push_back(row);
    return size32(contents_.extents) - 1;
  }

  void close_layer() {
    if (contents_.layers.empty() || closed_ == contents_.layers.size()) return;
    closed_ = contents_.layers.size();
    format::LayerRow& row = contents_.layers.back().row;
    row.extent_count = size32(contents_.extents) - row.extent_first;
    if (row.extent_count == 0) return;
    const format::ExtentRow& first = contents_.extents[row.extent_first];
    row.shard = first.shard;
    row.begin = base::align_down(first.offset, base::kPageSize);
    row.end = base::align_up(shards_.back().size(), base::kPageSize);
  }

  format::IndexContents contents_;
  std::vector<std::vector<std::byte>> shards_;
  std::map<std::size_t, std::uint64_t> tails_;  // by shard
  std::size_t closed_ = 0;                      // layers
  std::uint8_t chunk_log2_ = 16;
  std::map<std::string, std::vector<std::byte>> oracle_;
  std::function<void(MutableBytes)> patch_index_;
  std::function<void(MutableBytes)> break_index_;
  std::map<std::uint32_t, EnvelopePatch> patch_envelope_;  // by shard; kNone is the index
};

}  // namespace wpack::testing
