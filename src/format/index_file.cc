#include "format/index_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/align.h"
#include "base/zero_bytes.h"
#include "format/checksum.h"
#include "wpack/text.h"
#include "wpack/version.h"

namespace wpack::format {
namespace {

Envelope new_envelope(FileKind kind, const Uuid& uuid, std::uint32_t shard_count,
                      std::uint64_t data_end) {
  Envelope envelope;
  envelope.format_major = kFormatMajor;
  envelope.format_minor = kFormatMinor;
  envelope.kind = kind;
  envelope.uuid = uuid;
  envelope.shard_count = shard_count;
  envelope.file_size = base::align_up(data_end, base::kPageSize);
  envelope.data = {kEnvelopeSize, data_end};
  return envelope;
}

}  // namespace

Result<IndexFile> parse_index_file(Bytes file, std::shared_ptr<const void> owner) {
  const Bytes first_page = file.first(std::min<std::size_t>(file.size(), kEnvelopeSize));
  WPACK_ASSIGN(const Envelope envelope, decode_envelope(first_page, file.size()));
  if (envelope.kind != FileKind::kIndex)
    return Error(ErrorCode::kBadInput, "is a shard, expected an index");
  const Bytes flatbuffer = file.subspan(envelope.data.begin, envelope.data.size());
  if (hash64(flatbuffer) != envelope.data_hash)
    return Error(ErrorCode::kIntegrity, "index is damaged: its checksum does not match");
  if (!base::all_zero(file.subspan(envelope.data.end)))
    return Error(ErrorCode::kIntegrity, "index is damaged: its padding is not zero");
  WPACK_ASSIGN(Index index, Index::parse(flatbuffer, std::move(owner)));
  if (index.shards().size() != envelope.shard_count) {
    return Error(ErrorCode::kBadInput, fmt::format("index lists {} shards, its envelope says {}",
                                                   index.shards().size(), envelope.shard_count));
  }
  return IndexFile{envelope, std::move(index), flatbuffer};
}

std::vector<std::byte> encode_index_file(Bytes flatbuffer, const Uuid& uuid,
                                         std::uint32_t shard_count) {
  Envelope envelope =
      new_envelope(FileKind::kIndex, uuid, shard_count, kEnvelopeSize + flatbuffer.size());
  envelope.data_hash = hash64(flatbuffer);
  const EnvelopeBytes page = encode_envelope(envelope);
  std::vector<std::byte> file(envelope.file_size);
  std::ranges::copy(page, file.begin());
  std::ranges::copy(flatbuffer, file.begin() + static_cast<std::ptrdiff_t>(kEnvelopeSize));
  return file;
}

EnvelopeBytes encode_shard_envelope(const Uuid& uuid, std::uint32_t number,
                                    std::uint32_t shard_count, std::uint64_t data_end) {
  Envelope envelope = new_envelope(FileKind::kShard, uuid, shard_count, data_end);
  envelope.shard_number = number;
  return encode_envelope(envelope);
}

Result<Envelope> decode_shard_envelope(Bytes first_page, std::uint64_t actual_file_size,
                                       const ShardRow& row) {
  if (has_magic(first_page)) return decode_envelope(first_page, actual_file_size);
  if (actual_file_size != row.file_size) {
    return Error(ErrorCode::kIntegrity, fmt::format("is {} bytes long, the index says {}",
                                                    actual_file_size, row.file_size));
  }
  return Error(ErrorCode::kIntegrity, "envelope is damaged: its magic bytes differ");
}

Status check_shard_envelope(const Envelope& shard, const Envelope& index, std::uint32_t number,
                            const ShardRow& row) {
  if (shard.kind != FileKind::kShard)
    return Error(ErrorCode::kIntegrity, "is an index, expected a shard");
  if (shard.uuid != index.uuid) {
    return Error(ErrorCode::kIntegrity, fmt::format("belongs to container {}, not to {}",
                                                    to_string(shard.uuid), to_string(index.uuid)));
  }
  if (shard.shard_number != number || shard.shard_count != index.shard_count) {
    return Error(ErrorCode::kIntegrity,
                 fmt::format("is shard {} of {}, expected shard {} of {}", shard.shard_number,
                             shard.shard_count, number, index.shard_count));
  }
  if (shard.file_size != row.file_size || shard.data != ByteRange{row.data_begin, row.data_end} ||
      shard.envelope_hash != row.envelope_hash) {
    return Error(ErrorCode::kIntegrity, "envelope is not the one that the index names");
  }
  return {};
}

}  // namespace wpack::format
