// The whole of index.wpi: envelope, FlatBuffer, zero padding.
#pragma once

#include <memory>
#include <vector>

#include "format/envelope.h"
#include "format/index.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::format {

struct IndexFile {
  Envelope envelope;
  Index index;
  Bytes flatbuffer;  // inside the bytes that were parsed
};

// Validates the bytes of an index.wpi, start to end: envelope, checksum, padding, and everything
// that Index::parse checks. `file` starts on an 8-byte boundary and stays valid while `owner`
// lives. Errors: kIntegrity (size or checksum), kBadInput, kLimit; the caller adds the file's name.
[[nodiscard]] Result<IndexFile> parse_index_file(Bytes file, std::shared_ptr<const void> owner);

// Returns the bytes of the index.wpi around a FlatBuffer from build_index.
[[nodiscard]] std::vector<std::byte> encode_index_file(Bytes flatbuffer, const Uuid& uuid,
                                                       std::uint32_t shard_count);

// Returns the envelope of shard `number`, whose last payload byte stands before `data_end`.
[[nodiscard]] EnvelopeBytes encode_shard_envelope(const Uuid& uuid, std::uint32_t number,
                                                  std::uint32_t shard_count,
                                                  std::uint64_t data_end);

// Decodes the envelope of the shard that `row` describes, and checks it on its own. Errors: those
// of decode_envelope, but what is no file of wpack at all is kIntegrity, as the index says what it
// was.
[[nodiscard]] Result<Envelope> decode_shard_envelope(Bytes first_page,
                                                     std::uint64_t actual_file_size,
                                                     const ShardRow& row);

// Checks that a decoded envelope belongs to shard `number` of this container.
// Errors: kIntegrity with what differs; the caller adds the file's name.
[[nodiscard]] Status check_shard_envelope(const Envelope& shard, const Envelope& index,
                                          std::uint32_t number, const ShardRow& row);

}  // namespace wpack::format
