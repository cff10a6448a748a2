// The index as a FlatBuffer, its reserved fields, its shards, and the format's limits.
#include "recipes.h"
#include "support/flat_index.h"

namespace wpack::testing {
namespace {

using format::IndexContents;

Recipe with_root_broken(std::string name, std::function<void(FlatIndex)> edit) {
  return {std::move(name), [=](const std::filesystem::path& path) {
            (void)no_payload()
                .break_index([&](MutableBytes bytes) { edit(FlatIndex(bytes)); })
                .build(path);
          }};
}

// The list of dimensions begins in the middle of its first number: the 1 becomes its count, and
// what follows one dimension of 0.
Recipe misaligned_dimensions() {
  return {"flatbuffer-vector-misaligned", [](const std::filesystem::path& path) {
            ContainerBuilder builder;
            builder.layer("a").tensor("a.x", {});
            builder.contents().tensors[0].shape = {1, 0};
            (void)builder
                .patch_index([](MutableBytes bytes) {
                  FlatIndex index(bytes);
                  auto row = index.row<format::TensorRow>(Field::kTensors, 0);
                  row.rank = 1;
                  index.set_row(Field::kTensors, 0, row);
                  const std::size_t at = index.reference(Field::kDims);
                  index.store(at, index.load<std::uint32_t>(at) + 4);
                })
                .build(path);
          }};
}

std::vector<Recipe> flatbuffers() {
  return {
      with_root_broken("flatbuffer-identifier",
                       [](auto index) { index.store(4, std::uint32_t{0x324B5057}); }),
      with_root_broken("flatbuffer-root-outside",
                       [](auto index) { index.store(0, ~std::uint32_t{0}); }),
      with_root_broken(
          "flatbuffer-field-missing",
          [](auto index) { index.store(index.slot(Field::kForeign), std::uint16_t{0}); }),
      with_root_broken(
          "flatbuffer-vector-too-long",
          [](auto index) { index.store(index.vector(Field::kSources), std::uint32_t{1000}); }),
      with_root_broken("flatbuffer-vector-outside",
                       [](auto index) {
                         index.store(index.reference(Field::kSources), std::uint32_t{1} << 30U);
                       }),
      with_root_broken("flatbuffer-vtable-outside",
                       [](auto index) {
                         index.store(index.template load<std::uint32_t>(0),
                                     std::uint32_t{1} << 30U);
                       }),
      with_root_broken("flatbuffer-vtable-odd",
                       [](auto index) {
                         const std::size_t vtable = index.slot(Field::kProducer) - 4;
                         const auto size = index.template load<std::uint16_t>(vtable);
                         index.store(vtable, static_cast<std::uint16_t>(size + 1));
                       }),
      with_root_broken(
          "flatbuffer-offset-zero",
          [](auto index) { index.store(index.reference(Field::kSources), std::uint32_t{0}); }),
      with_index("flatbuffer-string-not-terminated", no_payload,
                 [](MutableBytes bytes) {
                   FlatIndex index(bytes);
                   const std::size_t at = index.vector(Field::kProducer);
                   index.store(at + 4 + index.load<std::uint32_t>(at), std::uint8_t{'x'});
                 }),
      misaligned_dimensions(),
      // The field overlaps the references of two vectors, as there is no room for one.
      with_index("index-created", no_payload,
                 [](MutableBytes bytes) {
                   FlatIndex index(bytes);
                   index.store(index.slot(Field::kCreated), std::uint16_t{8});
                 }),
  };
}

std::vector<Recipe> reserved_fields() {
  const auto rows = [](const char* name, Base base, void (*edit)(IndexContents&)) {
    return with_rows(name, base, edit);
  };
  return {
      rows("extent-flags", one_tensor, [](auto& c) { c.extents[0].flags = 1; }),
      rows("extent-parameters", one_tensor, [](auto& c) { c.extents[0].parameters = 0; }),
      rows("chunk-flags", one_tensor, [](auto& c) { c.chunks[0].flags = 1; }),
      rows("layer-flags", no_payload, [](auto& c) { c.layers[1].row.flags = 1; }),
      rows("layer-reserved", no_payload, [](auto& c) { c.layers[1].row.reserved = 1; }),
      rows("tensor-flags", no_payload, [](auto& c) { c.tensors[3].row.flags = 1; }),
      rows("tensor-reserved-a", no_payload, [](auto& c) { c.tensors[3].row.reserved_a = 1; }),
      rows("tensor-reserved-b", no_payload, [](auto& c) { c.tensors[3].row.reserved_b = 1; }),
      rows("tensor-transform", no_payload, [](auto& c) { c.tensors[3].row.transform = 0; }),
      rows("tensor-quantisation", no_payload, [](auto& c) { c.tensors[3].row.quantisation = 0; }),
      rows("attachment-flags", no_payload, [](auto& c) { c.attachments[1].row.flags = 1; }),
      rows("attachment-reserved", no_payload, [](auto& c) { c.attachments[1].row.reserved = 1; }),
      rows("metadata-reserved-a", no_payload, [](auto& c) { c.metadata[1].row.reserved_a = 1; }),
      rows("metadata-reserved-b", no_payload, [](auto& c) { c.metadata[1].row.reserved_b = 1; }),
      rows("source-flags", no_payload, [](auto& c) { c.sources[1].row.flags = 1; }),
  };
}

Recipe with_shard_row(std::string name, Base base, void (*edit)(format::ShardRow&)) {
  return with_index(std::move(name), base, [=](MutableBytes bytes) {
    FlatIndex index(bytes);
    auto row = index.row<format::ShardRow>(Field::kShards, 0);
    edit(row);
    index.set_row(Field::kShards, 0, row);
  });
}

std::vector<Recipe> shard_rows() {
  return {
      with_envelope("index-shard-count-differs", one_tensor, format::kNone,
                    set_field(60, std::uint32_t{2})),
      with_shard_row("shard-row-data-begin", one_tensor, [](auto& row) { row.data_begin = 4100; }),
      with_shard_row("shard-row-data-empty", one_tensor, [](auto& row) { row.data_end = 4096; }),
      with_shard_row("shard-row-data-end-huge", one_tensor,
                     [](auto& row) { row.data_end = ~std::uint64_t{0}; }),
      with_shard_row("shard-row-spare-page", one_tensor, [](auto& row) { row.file_size += 4096; }),
  };
}

std::vector<Recipe> limits() {
  return {with_rows("too-many-attachments", no_payload, [](auto& c) {
    c.attachments.clear();
    for (int i = 10'000; i < 11'025; ++i) c.attachments.push_back({"a" + std::to_string(i), {}});
  })};
}

}  // namespace

std::vector<Recipe> index_recipes() {
  std::vector<Recipe> all;
  for (auto recipes : {flatbuffers(), reserved_fields(), shard_rows(), limits()})
    std::ranges::move(recipes, std::back_inserter(all));
  return all;
}

}  // namespace wpack::testing
