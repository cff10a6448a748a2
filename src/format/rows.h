// The rows of the index: the structs of format/wpack.fbs as plain C++, shared by writer and reader.
// What each field means is stated once, in format/SPEC.md section 5.
#pragma once

#include <cstdint>

#include "format/limits.h"

namespace wpack::format {

struct ShardRow {
  std::uint64_t file_size = 0;
  std::uint64_t data_begin = kEnvelopeSize;
  std::uint64_t data_end = 0;
  std::uint64_t envelope_hash = 0;
};

struct ExtentRow {
  std::uint64_t offset = 0;
  std::uint64_t stored_size = 0;
  std::uint64_t raw_size = 0;
  std::uint32_t shard = 0;
  std::uint32_t layer = kNone;  // home layer; none for attachments
  std::uint32_t chunk_first = 0;
  std::uint32_t chunk_count = 0;
  std::uint32_t parameters = kNone;
  std::uint8_t codec = 0;
  std::uint8_t alignment_log2 = 0;
  std::uint8_t chunk_log2 = 0;
  std::uint8_t flags = 0;
};

struct ChunkRow {
  std::uint64_t offset = 0;  // from the extent's offset
  std::uint64_t hash = 0;    // XXH3-64 of the stored bytes
  std::uint32_t stored_size = 0;
  std::uint32_t flags = 0;
};

struct LayerRow {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint32_t name_offset = 0;
  std::uint32_t shard = kNone;
  std::uint32_t tensor_first = 0;
  std::uint32_t tensor_count = 0;
  std::uint32_t extent_first = 0;
  std::uint32_t extent_count = 0;
  std::uint32_t foreign_first = 0;
  std::uint32_t foreign_count = 0;
  std::uint16_t name_size = 0;
  std::uint16_t flags = 0;
  std::uint32_t reserved = 0;
};

struct TensorRow {
  std::uint64_t byte_offset = 0;  // in the extent's raw bytes
  std::uint64_t nbytes = 0;
  std::uint64_t hash = 0;  // XXH3-64 of the logical bytes
  std::uint32_t name_offset = 0;
  std::uint32_t extent = kNone;
  std::uint32_t layer = 0;
  std::uint32_t dims_first = 0;
  std::uint32_t alias_of = kNone;
  std::uint32_t transform = kNone;
  std::uint32_t quantisation = kNone;
  std::uint16_t name_size = 0;
  std::uint16_t dtype = 0;
  std::uint8_t rank = 0;
  std::uint8_t flags = 0;
  std::uint16_t reserved_a = 0;
  std::uint32_t reserved_b = 0;
};

struct NameSlotRow {
  std::uint32_t hash = 0;
  std::uint32_t row = kNone;
};

struct AttachmentRow {
  std::uint32_t name_offset = 0;
  std::uint32_t extent = kNone;
  std::uint16_t name_size = 0;
  std::uint16_t flags = 0;
  std::uint32_t reserved = 0;
};

struct MetadataRow {
  std::uint32_t key_offset = 0;
  std::uint32_t key_size = 0;
  std::uint32_t value_offset = 0;
  std::uint32_t value_size = 0;
  std::uint8_t type = 0;
  std::uint8_t origin = 0;
  std::uint16_t reserved_a = 0;
  std::uint32_t reserved_b = 0;
};

struct SourceRow {
  std::uint64_t size = 0;
  std::uint64_t digest_high = 0;
  std::uint64_t digest_low = 0;
  std::uint32_t name_offset = 0;
  std::uint16_t name_size = 0;
  std::uint16_t flags = 0;
};

}  // namespace wpack::format
