// Tensors: rules T1 to T6.
#include "recipes.h"
#include "support/flat_index.h"

namespace wpack::testing {
namespace {

using format::kNone;

void patch_tensor(MutableBytes bytes, std::size_t number, void (*edit)(format::TensorRow&)) {
  FlatIndex index(bytes);
  auto row = index.row<format::TensorRow>(Field::kTensors, number);
  edit(row);
  index.set_row(Field::kTensors, number, row);
}

std::vector<Recipe> shapes() {
  return {
      with_rows("tensor-rank-too-large", no_payload,
                [](auto& c) { c.tensors[3].shape.assign(33, 0); }),
      with_index("tensor-dims-first", no_payload,
                 [](MutableBytes bytes) {
                   patch_tensor(bytes, 3, [](auto& row) { row.dims_first = 2; });
                 }),
      with_index("tensor-dims-past-the-end", no_payload,
                 [](MutableBytes bytes) { FlatIndex(bytes).add_to_count(Field::kDims, -1); }),
      with_index("dims-of-no-tensor", one_tensor,
                 [](MutableBytes bytes) {
                   patch_tensor(bytes, 0, [](auto& row) {
                     row.rank = 0;
                     row.nbytes = 4;
                     row.hash = format::hash64(Bytes(pattern_bytes(8, 1)).first(4));
                   });
                 }),
      with_tensors("tensor-size-differs", one_tensor, [](auto& c) { c.tensors[0].row.nbytes = 4; }),
      with_rows("tensor-size-overflows", no_payload,
                [](auto& c) {
                  c.tensors[3].shape = {1ULL << 32U, 1ULL << 32U};
                }),
      with_rows("tensor-bits-overflow", no_payload,
                [](auto& c) {
                  c.tensors[3].shape = {1ULL << 61U};
                  c.tensors[3].row.dtype = static_cast<std::uint16_t>(DType::kU64);
                }),
      with_rows("tensor-type-unknown", one_tensor, [](auto& c) { c.tensors[0].row.dtype = 999; }),
  };
}

std::vector<Recipe> places() {
  return {
      with_rows("tensor-of-another-layer", no_payload, [](auto& c) { c.tensors[3].row.layer = 0; }),
      with_rows("tensor-of-no-layer", no_payload, [](auto& c) { c.tensors[3].row.layer = kNone; }),
      with_rows("tensor-empty-with-extent", sample, [](auto& c) { c.tensors[3].row.extent = 1; }),
      with_rows("tensor-empty-with-offset", no_payload,
                [](auto& c) { c.tensors[3].row.byte_offset = 8; }),
      with_rows("tensor-without-extent", sample, [](auto& c) { c.tensors[1].row.extent = kNone; }),
      with_rows("tensor-extent-missing", sample, [](auto& c) { c.tensors[1].row.extent = 4; }),
      with_rows("tensor-past-its-extent", sample,
                [](auto& c) {
                  c.tensors[5].row.byte_offset = 49;
                  c.tensors[5].row.alias_of = kNone;
                }),
      with_rows("tensor-offset-huge", sample,
                [](auto& c) {
                  c.tensors[5].row.byte_offset = ~std::uint64_t{7};
                  c.tensors[5].row.alias_of = kNone;
                }),
      with_tensors("tensor-inside-an-element", sample,
                   [](auto& c) {
                     c.tensors[5].row.byte_offset = 17;
                     c.tensors[5].row.dtype = static_cast<std::uint16_t>(DType::kF32);
                     c.tensors[5].shape = {4};
                   }),
      with_tensors("tensor-in-an-unlisted-extent", sample,
                   [](auto& c) { c.layers[2].foreign.clear(); }),
      with_tensors("tensor-in-an-attachment", sample,
                   [](auto& c) {
                     c.tensors[5].row.extent = 3;
                     c.tensors[5].row.byte_offset = 0;
                     c.tensors[5].row.alias_of = kNone;
                   }),
  };
}

std::vector<Recipe> aliases() {
  return {
      with_tensors("alias-of-itself", sample, [](auto& c) { c.tensors[0].row.alias_of = 0; }),
      with_tensors("alias-of-nothing", sample, [](auto& c) { c.tensors[5].row.alias_of = 6; }),
      with_tensors("alias-of-an-alias", sample, [](auto& c) { c.tensors[5].row.alias_of = 4; }),
      with_tensors("alias-in-another-extent", sample,
                   [](auto& c) { c.tensors[2].row.alias_of = 0; }),
      with_tensors("alias-before-its-owner", sample,
                   [](auto& c) {
                     c.tensors[0].shape = {48};
                     c.tensors[0].row.nbytes = 48;
                     c.tensors[0].row.byte_offset = 16;
                     c.tensors[4].row.alias_of = kNone;
                     c.tensors[5].row.byte_offset = 8;
                   }),
      with_tensors("alias-past-its-owner", sample,
                   [](auto& c) {
                     c.tensors[0].shape = {48};
                     c.tensors[0].row.nbytes = 48;
                     c.tensors[4].row.alias_of = kNone;
                     c.tensors[5].row.byte_offset = 40;
                   }),
      with_tensors("alias-without-bytes", no_payload,
                   [](auto& c) { c.tensors[3].row.alias_of = 0; }),
  };
}

}  // namespace

std::vector<Recipe> tensor_recipes() {
  std::vector<Recipe> all;
  for (auto recipes : {shapes(), places(), aliases()})
    std::ranges::move(recipes, std::back_inserter(all));
  return all;
}

}  // namespace wpack::testing
