// Verifying: every checksum and every padding byte of a container, and the envelope of one file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"
#include "wpack/types.h"

namespace wpack {

struct VerifyOptions {
  ProgressCallback progress = {};
  std::uint64_t max_faults = 1000;  // stop after this many
  // Indexes larger than this many bytes are refused (kLimit); at most 2^31 - 4097.
  std::uint64_t max_index_bytes = std::uint64_t{64} << 20;
};

struct VerifyReport {
  std::vector<Error> faults;  // in the order of the files; empty: the container is sound
  std::uint64_t checked_bytes = 0;
  std::uint64_t tensor_count = 0;
  std::uint64_t chunk_count = 0;
};

// Checks the container `path` completely: index, UUID, envelopes, sizes, every chunk's and every
// tensor's checksum, every padding byte. Reads each payload byte once, and again those that more
// than 64 tensors share in part; where tensors overlap so much that this would be more than 64
// times the payload (and 1 GiB), their own checksums are left out, which is a fault (kLimit).
// Errors: only what stops it from looking at all: an index that does not open (the error of
// Container::open), kCancelled. Everything else becomes a fault, and it goes on.
// Memory: twice the index and about 16 MiB.
[[nodiscard]] WPACK_EXPORT Result<VerifyReport> verify(const std::string& path,
                                                       const VerifyOptions& options = {});

// What an envelope says of its file.
struct EnvelopeInfo {
  bool index = false;  // true: index.wpi, false: a shard
  std::uint16_t format_major = 0;
  std::uint16_t format_minor = 0;
  Uuid uuid;
  std::uint32_t shard_number = 0;  // of a shard
  std::uint32_t shard_count = 0;
  std::uint64_t file_size = 0;  // bytes
  ByteRange data;
  std::uint64_t incompatible_flags = 0;
  std::uint64_t compatible_flags = 0;
  std::uint64_t envelope_hash = 0;  // XXH3-64
};

// Reads and checks the envelope of the single file `path` (an index.wpi or a shard).
// Errors: kIo, kBadInput (not a file of wpack, newer format, unknown incompatible flags),
// kIntegrity (hash or size does not match).
[[nodiscard]] WPACK_EXPORT Result<EnvelopeInfo> inspect_file(const std::string& path);

}  // namespace wpack
