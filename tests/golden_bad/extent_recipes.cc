// Extents and chunks: rules X1 to X5 and C1 to C3.
#include "recipes.h"

namespace wpack::testing {
namespace {

using format::kNone;

// A raw extent that stores more than its raw bytes, and has room for them.
Recipe extent_with_slack() {
  return {"extent-raw-sizes-differ", [](const std::filesystem::path& path) {
            ContainerBuilder builder = one_tensor();
            (void)builder.index();
            builder.contents().extents[0].stored_size = 12;
            builder.shard(0).resize(4096 + 12);
            (void)builder.build(path);
          }};
}

Recipe shard_without_extents() {
  return {"shard-without-extents", [](const std::filesystem::path& path) {
            ContainerBuilder builder = one_tensor();
            builder.new_shard().shard(1).resize(4096 + 1);
            (void)builder.build(path);
          }};
}

}  // namespace

std::vector<Recipe> extent_recipes() {
  return {
      with_rows("extent-overlaps", sample, [](auto& c) { c.extents[2].offset = 8192; }),
      with_rows("extent-out-of-order", sample, [](auto& c) { c.extents[2].offset = 4352; }),
      with_rows("extent-of-no-shard", one_tensor,
                [](auto& c) { c.extents[0].shard = c.layers[0].row.shard = 1; }),
      shard_without_extents(),
      with_rows("extent-in-the-envelope", one_tensor,
                [](auto& c) { c.extents[0].offset = c.layers[0].row.begin = 0; }),
      with_rows("extent-past-the-data", one_tensor, [](auto& c) { c.extents[0].offset = 4352; }),
      with_rows("extent-stores-nothing", coded, [](auto& c) { c.extents[0].stored_size = 0; }),
      with_rows("extent-stored-size-huge", coded,
                [](auto& c) { c.extents[0].stored_size = ~std::uint64_t{0}; }),
      with_rows("extent-without-raw-bytes", coded, [](auto& c) { c.extents[0].raw_size = 0; }),
      with_rows("extent-alignment-too-small", one_tensor,
                [](auto& c) { c.extents[0].alignment_log2 = 7; }),
      with_rows("extent-alignment-too-large", one_tensor,
                [](auto& c) { c.extents[0].alignment_log2 = 31; }),
      with_rows("extent-misaligned", one_tensor, [](auto& c) { c.extents[0].alignment_log2 = 13; }),
      extent_with_slack(),
      with_rows("extent-codec-unknown", one_tensor, [](auto& c) { c.extents[0].codec = 200; }),
      with_rows("extent-of-another-layer", sample,
                [](auto& c) {
                  c.extents[1].layer = 2;
                  c.layers[1].foreign = {1};
                }),
      with_rows("extent-without-layer", sample,
                [](auto& c) {
                  c.extents[2].layer = kNone;
                  make_empty(c.tensors[2]);
                }),
      with_rows("attachment-extent-with-layer", sample,
                [](auto& c) {
                  c.extents[3].layer = 1;
                  c.attachments[0].row.extent = kNone;
                }),

      with_rows("chunk-size-too-small", one_tensor, [](auto& c) { c.extents[0].chunk_log2 = 15; }),
      with_rows("chunk-size-too-large", one_tensor, [](auto& c) { c.extents[0].chunk_log2 = 27; }),
      with_rows("chunk-count", one_tensor,
                [](auto& c) {
                  c.extents[0].chunk_count = 2;
                  c.chunks.push_back(c.chunks[0]);
                }),
      with_rows("chunk-first", sample, [](auto& c) { c.extents[1].chunk_first = 0; }),
      with_rows("chunk-of-no-extent", one_tensor, [](auto& c) { c.chunks.push_back(c.chunks[0]); }),
      with_rows("chunk-missing", sample, [](auto& c) { c.chunks.pop_back(); }),
      with_rows("chunk-past-the-extent", coded, [](auto& c) { c.chunks[1].stored_size = 137; }),
      with_rows("chunk-offset-huge", coded, [](auto& c) { c.chunks[1].offset = ~63ULL; }),
      with_rows("chunk-raw-moved", one_tensor, [](auto& c) { c.chunks[0].offset = 8; }),
      with_rows("chunk-raw-short", one_tensor, [](auto& c) { c.chunks[0].stored_size = 7; }),
      with_rows("chunk-coded-misaligned", coded,
                [](auto& c) {
                  c.chunks[1].offset = 65;
                  c.chunks[1].stored_size = 135;
                }),
      with_rows("chunk-coded-overlaps", coded, [](auto& c) { c.chunks[0].stored_size = 65; }),
      with_rows("chunk-coded-empty", coded, [](auto& c) { c.chunks[1].stored_size = 0; }),
  };
}

}  // namespace wpack::testing
