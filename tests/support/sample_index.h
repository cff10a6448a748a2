// A small valid index with one of everything, to be broken in one place at a time.
#pragma once

#include "format/index_builder.h"

namespace wpack::testing {

// Two shards; layers `embed` (one tensor of two chunks, 100,000 bytes), `h.0` (two small tensors
// and an empty one) and `head` (an alias of embed's tensor and a view into it); one attachment, one
// metadata entry, one source.
inline format::IndexContents sample_contents() {
  using format::kNone;
  format::IndexContents contents;
  contents.producer = "test";
  contents.source_format = "memory";
  contents.shards = {{.file_size = 106'496, .data_end = 104'096},
                     {.file_size = 12'288, .data_end = 8'292}};
  contents.extents = {
      {.offset = 4096,
       .stored_size = 100'000,
       .raw_size = 100'000,
       .shard = 0,
       .layer = 0,
       .chunk_first = 0,
       .chunk_count = 2,
       .alignment_log2 = 12,
       .chunk_log2 = 16},
      {.offset = 4096,
       .stored_size = 40,
       .raw_size = 40,
       .shard = 1,
       .layer = 1,
       .chunk_first = 2,
       .chunk_count = 1,
       .alignment_log2 = 8,
       .chunk_log2 = 16},
      {.offset = 4352,
       .stored_size = 8,
       .raw_size = 8,
       .shard = 1,
       .layer = 1,
       .chunk_first = 3,
       .chunk_count = 1,
       .alignment_log2 = 8,
       .chunk_log2 = 16},
      {.offset = 8192,
       .stored_size = 100,
       .raw_size = 100,
       .shard = 1,
       .layer = kNone,
       .chunk_first = 4,
       .chunk_count = 1,
       .alignment_log2 = 8,
       .chunk_log2 = 16},
  };
  contents.chunks = {{.offset = 0, .hash = 1, .stored_size = 65'536},
                     {.offset = 65'536, .hash = 2, .stored_size = 34'464},
                     {.offset = 0, .hash = 3, .stored_size = 40},
                     {.offset = 0, .hash = 4, .stored_size = 8},
                     {.offset = 0, .hash = 5, .stored_size = 100}};
  contents.layers = {
      {"embed",
       {.begin = 4096,
        .end = 106'496,
        .shard = 0,
        .tensor_first = 0,
        .tensor_count = 1,
        .extent_first = 0,
        .extent_count = 1},
       {}},
      {"h.0",
       {.begin = 4096,
        .end = 8192,
        .shard = 1,
        .tensor_first = 1,
        .tensor_count = 3,
        .extent_first = 1,
        .extent_count = 2},
       {}},
      {"head", {.tensor_first = 4, .tensor_count = 2, .extent_first = 3}, {0}},
  };
  const auto f32 = static_cast<std::uint16_t>(DType::kF32);
  contents.tensors = {
      {"embed.weight", {250, 100}, {.nbytes = 100'000, .extent = 0, .layer = 0, .dtype = f32}},
      {"h.0.bias", {10}, {.nbytes = 40, .extent = 1, .layer = 1, .dtype = f32}},
      {"h.0.scale",
       {},
       {.nbytes = 8, .extent = 2, .layer = 1, .dtype = static_cast<std::uint16_t>(DType::kF64)}},
      {"h.0.empty", {0, 3}, {.extent = kNone, .layer = 1, .dtype = f32}},
      {"head.weight",
       {250, 100},
       {.nbytes = 100'000, .extent = 0, .layer = 2, .alias_of = 0, .dtype = f32}},
      {"head.row",
       {100},
       {.byte_offset = 400, .nbytes = 400, .extent = 0, .layer = 2, .alias_of = 0, .dtype = f32}},
  };
  contents.attachments = {{"config.json", {.extent = 3}}};
  contents.metadata = {{"format", "pt", {.type = 1, .origin = 1}}};
  contents.sources = {{"model.mem", {.size = 7, .digest_high = 1, .digest_low = 2}}};
  return contents;
}

}  // namespace wpack::testing
