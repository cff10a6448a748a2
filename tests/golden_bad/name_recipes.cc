// Names: rules N1 to N3.
#include <algorithm>

#include "recipes.h"
#include "support/flat_index.h"

namespace wpack::testing {
namespace {

using format::kNone;
using format::NameSlotRow;
using Patch = void (*)(FlatIndex);

Recipe patched(std::string name, Patch patch) {
  return with_index(std::move(name), no_payload,
                    [=](MutableBytes bytes) { patch(FlatIndex(bytes)); });
}

// The slot that holds tensor `row`, or a free one (kNone). There are four tensors and eight slots.
std::size_t slot_of(const FlatIndex& index, std::uint32_t row) {
  std::size_t at = 0;
  while (index.row<NameSlotRow>(Field::kTensorSlots, at).row != row) ++at;
  return at;
}

void set_tensor_slot(FlatIndex index, std::uint32_t row, NameSlotRow value) {
  index.set_row(Field::kTensorSlots, slot_of(index, row), value);
}

// Takes the row out of its slot and puts it into the free one that is farthest behind.
void move_past_a_free_slot(FlatIndex index) {
  constexpr std::size_t kSlots = 8;
  const std::size_t from = slot_of(index, 0);
  const auto slot = index.row<NameSlotRow>(Field::kTensorSlots, from);
  std::size_t to = (from + kSlots - 1) % kSlots;
  while (index.row<NameSlotRow>(Field::kTensorSlots, to).row != kNone)
    to = (to + kSlots - 1) % kSlots;
  index.set_row(Field::kTensorSlots, from, NameSlotRow{});
  index.set_row(Field::kTensorSlots, to, slot);
}

std::vector<Recipe> blobs() {
  return {
      with_rows("tensor-name-empty", no_payload, [](auto& c) { c.tensors[3].name = ""; }),
      with_rows("tensor-name-too-long", no_payload,
                [](auto& c) { c.tensors[3].name = std::string(4097, 'x'); }),
      with_rows("tensor-name-with-nul", no_payload,
                [](auto& c) { c.tensors[3].name = std::string("b\0x", 3); }),
      with_rows("tensor-name-not-utf8", no_payload, [](auto& c) { c.tensors[3].name = "b\xFFx"; }),
      with_rows("tensor-name-surrogate", no_payload,
                [](auto& c) { c.tensors[3].name = "b\xED\xA0\x80"; }),
      with_rows("tensor-name-overlong", no_payload,
                [](auto& c) { c.tensors[3].name = "b\xC0\xAE"; }),
      with_rows("tensor-name-splits-a-character", no_payload,
                [](auto& c) {
                  c.tensors[2].name = "a.z\xC3";
                  c.tensors[3].name = "\xA9";
                }),
      with_rows("layer-name-empty", no_payload, [](auto& c) { c.layers[1].name = ""; }),
      with_rows("layer-name-too-long", no_payload,
                [](auto& c) { c.layers[1].name = std::string(4097, 'x'); }),
      with_rows("attachment-name-empty", no_payload, [](auto& c) { c.attachments[0].name = ""; }),
      with_rows("attachment-name-too-long", no_payload,
                [](auto& c) { c.attachments[1].name = std::string(256, 'x'); }),
      with_rows("source-name-empty", no_payload, [](auto& c) { c.sources[1].name = ""; }),
      with_rows("source-name-too-long", no_payload,
                [](auto& c) { c.sources[1].name = std::string(4097, 'x'); }),
      patched("name-out-of-place",
              [](auto index) {
                auto row = index.template row<format::TensorRow>(Field::kTensors, 3);
                row.name_offset -= 3;
                index.set_row(Field::kTensors, 3, row);
              }),
      patched("name-past-the-end", [](auto index) { index.add_to_count(Field::kNames, -1); }),
      patched("names-of-nothing",
              [](auto index) {
                auto row = index.template row<format::SourceRow>(Field::kSources, 1);
                row.name_size -= 1;
                index.set_row(Field::kSources, 1, row);
              }),
  };
}

std::vector<Recipe> lists() {
  return {
      patched("tensor-names-out-of-order",
              [](auto index) {
                index.set_row(Field::kTensorsByName, 0, std::uint32_t{1});
                index.set_row(Field::kTensorsByName, 1, std::uint32_t{0});
              }),
      patched("tensor-name-missing",
              [](auto index) { index.set_row(Field::kTensorsByName, 3, std::uint32_t{4}); }),
      patched("tensor-names-too-few",
              [](auto index) { index.add_to_count(Field::kTensorsByName, -1); }),
      // a.y becomes a.x; the table is made for both.
      patched("tensor-name-twice",
              [](auto index) {
                const std::size_t names = index.vector(Field::kNames) + 4;
                index.store(names + 5, std::uint8_t{'x'});
                const auto first =
                    index.template row<NameSlotRow>(Field::kTensorSlots, slot_of(index, 0));
                set_tensor_slot(index, 1, {first.hash, 1});
              }),
      patched("layer-names-out-of-order",
              [](auto index) {
                index.set_row(Field::kLayersByName, 0, std::uint32_t{1});
                index.set_row(Field::kLayersByName, 1, std::uint32_t{0});
              }),
      patched("layer-name-twice",
              [](auto index) {
                const auto row = index.template row<format::LayerRow>(Field::kLayers, 1);
                index.store(index.vector(Field::kNames) + 4 + row.name_offset, std::uint8_t{'a'});
              }),
  };
}

std::vector<Recipe> slots() {
  return {
      patched("tensor-slots-too-few",
              [](auto index) { index.add_to_count(Field::kTensorSlots, -4); }),
      patched("layer-slots-too-few",
              [](auto index) { index.add_to_count(Field::kLayerSlots, -1); }),
      patched("tensor-in-no-slot", [](auto index) { set_tensor_slot(index, 2, {}); }),
      patched("tensor-in-two-slots",
              [](auto index) {
                const auto slot =
                    index.template row<NameSlotRow>(Field::kTensorSlots, slot_of(index, 2));
                set_tensor_slot(index, 3, slot);
              }),
      patched("slot-of-no-tensor",
              [](auto index) {
                set_tensor_slot(index, kNone, {0, 4});
              }),
      patched("slot-behind-a-free-one", move_past_a_free_slot),
      patched("slot-with-another-hash",
              [](auto index) {
                auto slot = index.template row<NameSlotRow>(Field::kTensorSlots, slot_of(index, 0));
                slot.hash ^= 0x80000000U;
                set_tensor_slot(index, 0, slot);
              }),
      patched("slot-free-with-a-hash",
              [](auto index) {
                set_tensor_slot(index, kNone, {1, kNone});
              }),
  };
}

}  // namespace

std::vector<Recipe> name_recipes() {
  std::vector<Recipe> all;
  for (auto recipes : {blobs(), lists(), slots()})
    std::ranges::move(recipes, std::back_inserter(all));
  return all;
}

}  // namespace wpack::testing
