// The first 4,096 bytes of every file of a container (SPEC section 4): who the file is, how long
// it is, and where its data lies.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "format/limits.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::format {

enum class FileKind : std::uint8_t { kIndex = 1, kShard = 2 };

struct Envelope {
  std::uint16_t format_major = 0;
  std::uint16_t format_minor = 0;
  FileKind kind = FileKind::kIndex;
  std::uint64_t incompatible_flags = 0;
  std::uint64_t compatible_flags = 0;
  Uuid uuid;
  std::uint32_t shard_number = kNone;  // kNone in the index
  std::uint32_t shard_count = 0;
  std::uint64_t file_size = 0;  // bytes, a multiple of 4,096
  ByteRange data;
  std::uint64_t data_hash = 0;      // index: XXH3-64 of the data; shard: 0
  std::uint64_t envelope_hash = 0;  // filled by decoding; encoding computes it
};

using EnvelopeBytes = std::array<std::byte, kEnvelopeSize>;

// True if `bytes` begin with wpack's magic (8 bytes are enough).
[[nodiscard]] bool has_magic(Bytes bytes) noexcept;

[[nodiscard]] EnvelopeBytes encode_envelope(const Envelope& envelope);

// Decodes and checks an envelope on its own: magic, hash, version, flags, reserved bytes, and that
// its numbers fit together and with `actual_file_size`. Errors: kBadInput (not a file of wpack,
// newer version, unknown incompatible flags, impossible numbers), kIntegrity (hash or size does
// not match). Messages do not name the file: the caller does.
[[nodiscard]] Result<Envelope> decode_envelope(Bytes first_page, std::uint64_t actual_file_size);

// "00000.wps": the name of shard `number` < 65,535.
[[nodiscard]] std::string shard_file_name(std::uint32_t number);

inline constexpr const char* kIndexFileName = "index.wpi";

}  // namespace wpack::format
