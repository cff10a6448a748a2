// Layers: rules L1 to L4.
#include "recipes.h"
#include "support/flat_index.h"

namespace wpack::testing {
namespace {

using format::kNone;

// Two tensors that lie in one page, each in a layer of its own.
Recipe layers_in_one_page() {
  return {
      "layers-share-a-page", [](const std::filesystem::path& path) {
        ContainerBuilder builder;
        builder.layer("a").tensor("a.x", pattern_bytes(8, 1)).tensor("a.y", pattern_bytes(8, 2));
        (void)builder.index();
        format::IndexContents& contents = builder.contents();
        contents.layers[0].row.tensor_count = contents.layers[0].row.extent_count = 1;
        contents.layers.push_back({"b", contents.layers[0].row, {}});
        contents.layers[1].row.tensor_first = contents.layers[1].row.extent_first = 1;
        contents.tensors[1].row.layer = contents.extents[1].layer = 1;
        (void)builder.build(path);
      }};
}

// The only layer's page holds an attachment too.
Recipe layer_and_attachment_in_one_page() {
  return {
      "layer-shares-a-page-with-an-attachment", [](const std::filesystem::path& path) {
        ContainerBuilder builder;
        builder.layer("a").tensor("a.x", pattern_bytes(8, 1)).tensor("a.y", pattern_bytes(8, 2));
        (void)builder.index();
        format::IndexContents& contents = builder.contents();
        contents.layers[0].row.tensor_count = contents.layers[0].row.extent_count = 1;
        contents.tensors.pop_back();
        contents.extents[1].layer = kNone;
        contents.attachments = {{"y", {.extent = 1}}};
        (void)builder.build(path);
      }};
}

void patch_layer(FlatIndex index, std::size_t number, void (*edit)(format::LayerRow&)) {
  auto row = index.row<format::LayerRow>(Field::kLayers, number);
  edit(row);
  index.set_row(Field::kLayers, number, row);
}

// Two layers share one extent, and stand in each other's place in the list of those.
Recipe foreign_in_another_order() {
  return {"foreign-in-another-order", [](const std::filesystem::path& path) {
            ContainerBuilder builder;
            builder.layer("a").tensor("a.x", pattern_bytes(8, 1));
            builder.layer("b").view("b.x", "a.x", 0, 8);
            builder.layer("c").view("c.x", "a.x", 0, 8);
            (void)builder
                .patch_index([](MutableBytes bytes) {
                  patch_layer(FlatIndex(bytes), 1, [](auto& row) { row.foreign_first = 1; });
                  patch_layer(FlatIndex(bytes), 2, [](auto& row) { row.foreign_first = 0; });
                })
                .build(path);
          }};
}

// Its tensors become empty, so that nothing but the list of shared extents is wrong.
void forget_foreign(MutableBytes bytes) {
  FlatIndex index(bytes);
  patch_layer(index, 2, [](auto& row) { row.foreign_count = 0; });
  for (std::size_t i = 4; i < 6; ++i) {
    auto row = index.row<format::TensorRow>(Field::kTensors, i);
    row.nbytes = row.byte_offset = 0;
    row.extent = row.alias_of = kNone;
    row.hash = format::hash64({});
    index.set_row(Field::kTensors, i, row);
    index.store(index.vector(Field::kDims) + 4 + 8 * row.dims_first, std::uint64_t{0});
  }
}

std::vector<Recipe> ownership() {
  return {
      with_rows("layer-without-tensors", no_payload,
                [](auto& c) {
                  c.layers[1].row.tensor_count = 0;
                  c.tensors.pop_back();
                }),
      with_rows("layer-skips-a-tensor", no_payload,
                [](auto& c) { c.layers[1].row.tensor_first = 2; }),
      with_rows("layer-with-too-many-tensors", no_payload,
                [](auto& c) { c.layers[1].row.tensor_count = 2; }),
      with_rows("tensors-of-no-layer", no_payload,
                [](auto& c) {
                  c.tensors.push_back(c.tensors[3]);
                  c.tensors[4].name = "b.y";
                }),
      with_rows("layer-skips-an-extent", two_shards,
                [](auto& c) { c.layers[1].row.extent_first = 0; }),
      with_rows("layer-with-too-many-extents", one_tensor,
                [](auto& c) { c.layers[0].row.extent_count = 2; }),
  };
}

std::vector<Recipe> ranges() {
  return {
      with_rows("layer-begins-too-early", sample, [](auto& c) { c.layers[1].row.begin = 4096; }),
      with_rows("layer-begins-inside-a-page", one_tensor,
                [](auto& c) { c.layers[0].row.begin += 256; }),
      with_rows("layer-ends-too-late", sample, [](auto& c) { c.layers[1].row.end += 4096; }),
      with_rows("layer-ends-too-early", one_tensor, [](auto& c) { c.layers[0].row.end -= 1; }),
      with_rows("layer-in-another-shard", two_shards, [](auto& c) { c.layers[1].row.shard = 0; }),
      with_rows("layer-without-extents-has-a-range", no_payload,
                [](auto& c) {
                  c.layers[1].row.begin = 4096;
                  c.layers[1].row.end = 8192;
                }),
      with_rows("layer-without-extents-has-a-shard", no_payload,
                [](auto& c) { c.layers[1].row.shard = 0; }),
      layers_in_one_page(),
      layer_and_attachment_in_one_page(),
  };
}

std::vector<Recipe> shared_extents() {
  return {
      with_rows("foreign-does-not-exist", sample,
                [](auto& c) {
                  c.layers[2].foreign = {0, 4};
                }),
      with_rows("foreign-is-its-own", sample, [](auto& c) { c.layers[0].foreign = {0}; }),
      with_rows("foreign-is-an-attachment", sample,
                [](auto& c) {
                  c.layers[2].foreign = {0, 3};
                }),
      with_rows("foreign-twice", sample,
                [](auto& c) {
                  c.layers[2].foreign = {0, 0};
                }),
      with_rows("foreign-without-tensors", sample,
                [](auto& c) {
                  c.layers[2].foreign = {0, 1};
                }),
      with_index("foreign-of-no-layer", sample, forget_foreign),
      foreign_in_another_order(),
  };
}

}  // namespace

std::vector<Recipe> layer_recipes() {
  std::vector<Recipe> all;
  for (auto recipes : {ownership(), ranges(), shared_extents()})
    std::ranges::move(recipes, std::back_inserter(all));
  return all;
}

}  // namespace wpack::testing
