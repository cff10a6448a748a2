#include "recipes.h"

#include <iterator>

#include "base/checked_math.h"

namespace wpack::testing {
namespace {

// Gives a tensor another element type than the builder's U8.
void set_type(ContainerBuilder& builder, std::size_t tensor, DType dtype,
              std::vector<std::uint64_t> shape) {
  format::IndexContents::Tensor& entry = builder.contents().tensors[tensor];
  entry.row.dtype = static_cast<std::uint16_t>(dtype);
  entry.shape = std::move(shape);
}

// Makes a tensor's checksum right, if it has bytes at all.
void rehash(ContainerBuilder& builder, format::TensorRow& row) {
  if (row.extent >= builder.contents().extents.size()) return;
  const format::ExtentRow& extent = builder.contents().extents[row.extent];
  const Bytes raw = Bytes(builder.shard(extent.shard)).subspan(extent.offset, extent.raw_size);
  if (!base::range_within(row.byte_offset, row.nbytes, raw.size())) return;
  row.hash = format::hash64(raw.subspan(row.byte_offset, row.nbytes));
}

}  // namespace

std::vector<Recipe> all_recipes() {
  std::vector<Recipe> all;
  for (auto recipes : {envelope_recipes(), index_recipes(), extent_recipes(), layer_recipes(),
                       tensor_recipes(), name_recipes(), side_recipes(), payload_recipes()}) {
    std::ranges::move(recipes, std::back_inserter(all));
  }
  return all;
}

ContainerBuilder one_tensor() {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.weight", pattern_bytes(8, 1));
  set_type(builder, 0, DType::kF32, {2});
  return builder;
}

ContainerBuilder sample() {
  ContainerBuilder builder;
  builder.layer("embed").tensor("embed.weight", pattern_bytes(64, 1));
  builder.layer("block").tensor("block.bias", pattern_bytes(24, 2));
  builder.tensor("block.scale", pattern_bytes(8, 3)).tensor("block.empty", {});
  builder.layer("head").view("head.weight", "embed.weight", 0, 64);
  builder.view("head.row", "embed.weight", 16, 16);
  builder.attachment("config.json", pattern_bytes(20, 4)).attachment("vocab.txt", {});
  set_type(builder, 1, DType::kF32, {6});
  set_type(builder, 2, DType::kF64, {});
  set_type(builder, 3, DType::kF32, {0, 3});
  builder.contents().metadata = {{"format", "pt", {.type = 1, .origin = 1}}};
  builder.contents().sources = {{"model.bin", {.size = 7, .digest_high = 1, .digest_low = 2}}};
  return builder;
}

ContainerBuilder two_shards() {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.weight", pattern_bytes(8, 1));
  builder.new_shard().layer("b").tensor("b.weight", pattern_bytes(8, 2));
  return builder;
}

ContainerBuilder no_payload() {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.x", {}).tensor("a.y", {}).tensor("a.z", {});
  builder.layer("b").tensor("b.x", {});
  builder.attachment("config.json", {}).attachment("vocab.txt", {});
  builder.contents().metadata = {{"format", "pt", {.type = 1, .origin = 1}},
                                 {"step", "7", {.type = 2, .origin = 2}}};
  builder.contents().sources = {{"first.bin", {.size = 7, .digest_high = 1, .digest_low = 2}},
                                {"second.bin", {.size = 9, .digest_high = 3, .digest_low = 4}}};
  return builder;
}

ContainerBuilder coded() {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.weight", pattern_bytes(200, 1));
  format::IndexContents& contents = builder.contents();
  contents.extents[0].codec = 200;
  contents.extents[0].raw_size = 100'000;
  contents.extents[0].chunk_count = 2;
  const Bytes stored = Bytes(builder.shard(0)).subspan(format::kEnvelopeSize);
  contents.chunks = {
      {.offset = 0, .hash = format::hash64(stored.first(64)), .stored_size = 64},
      {.offset = 64, .hash = format::hash64(stored.subspan(64)), .stored_size = 136}};
  contents.tensors[0].shape = {100'000};
  contents.tensors[0].row.nbytes = 100'000;
  return builder;
}

void make_empty(format::IndexContents::Tensor& tensor) {
  tensor.shape = {0};
  tensor.row.nbytes = tensor.row.byte_offset = 0;
  tensor.row.extent = tensor.row.alias_of = format::kNone;
  tensor.row.hash = format::hash64({});
}

Recipe with_rows(std::string name, Base base, std::function<void(format::IndexContents&)> edit) {
  return {std::move(name), [=](const std::filesystem::path& path) {
            ContainerBuilder builder = base();
            (void)builder.index();  // so that the rows are complete before they are changed
            edit(builder.contents());
            (void)builder.build(path);
          }};
}

Recipe with_tensors(std::string name, Base base, std::function<void(format::IndexContents&)> edit) {
  return {std::move(name), [=](const std::filesystem::path& path) {
            ContainerBuilder builder = base();
            (void)builder.index();
            edit(builder.contents());
            for (auto& tensor : builder.contents().tensors) rehash(builder, tensor.row);
            (void)builder.build(path);
          }};
}

Recipe with_index(std::string name, Base base, std::function<void(MutableBytes)> patch) {
  return {std::move(name),
          [=](const std::filesystem::path& path) { (void)base().patch_index(patch).build(path); }};
}

Recipe with_envelope(std::string name, Base base, std::uint32_t shard,
                     ContainerBuilder::EnvelopePatch patch) {
  return {std::move(name), [=](const std::filesystem::path& path) {
            (void)base().patch_envelope(shard, patch).build(path);
          }};
}

Recipe with_files(std::string name, Base base,
                  std::function<void(const std::filesystem::path&)> damage) {
  return {std::move(name), [=](const std::filesystem::path& path) {
            (void)base().build(path);
            damage(path);
          }};
}

}  // namespace wpack::testing
