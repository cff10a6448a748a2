#include "format/envelope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/little_endian.h"
#include "base/zero_bytes.h"
#include "format/checksum.h"
#include "wpack/version.h"

namespace wpack::format {
namespace {

using base::load_le;
using base::store_le;

constexpr std::array<std::uint8_t, 8> kMagic = {0x89, 'W', 'P', 'K', '\r', '\n', 0x1A, '\n'};

// Byte offsets of the fields: SPEC section 4.
constexpr std::size_t kMajorAt = 8;
constexpr std::size_t kMinorAt = 10;
constexpr std::size_t kEnvelopeSizeAt = 12;
constexpr std::size_t kKindAt = 16;
constexpr std::size_t kIncompatibleAt = 24;
constexpr std::size_t kCompatibleAt = 32;
constexpr std::size_t kUuidAt = 40;
constexpr std::size_t kShardNumberAt = 56;
constexpr std::size_t kShardCountAt = 60;
constexpr std::size_t kFileSizeAt = 64;
constexpr std::size_t kDataBeginAt = 72;
constexpr std::size_t kDataEndAt = 80;
constexpr std::size_t kDataHashAt = 88;
constexpr std::size_t kZerosBegin = 96;
constexpr std::size_t kHashAt = kEnvelopeSize - 8;

Error bad(std::string message) { return {ErrorCode::kBadInput, std::move(message)}; }

Status check_version(std::uint16_t major, std::uint16_t minor) {
  const bool same = major == kFormatMajor && (kFormatMajor != 0 || minor == kFormatMinor);
  if (same) return {};
  return bad(fmt::format("has format version {}.{}, this wpack reads {}.{}", major, minor,
                         kFormatMajor, kFormatMinor));
}

Status check_numbers(const Envelope& envelope, std::uint64_t actual_file_size) {
  if (envelope.file_size != actual_file_size) {
    return Error(ErrorCode::kIntegrity, fmt::format("is {} bytes long, its envelope says {}",
                                                    actual_file_size, envelope.file_size));
  }
  const auto& data = envelope.data;
  if (data.begin != kEnvelopeSize || data.end <= data.begin || data.end > kMaxFileSize ||
      base::align_up(data.end, base::kPageSize) != envelope.file_size) {
    return bad(fmt::format("envelope has the impossible data range [{}, {}) in {} bytes",
                           data.begin, data.end, envelope.file_size));
  }
  if (envelope.shard_count > kMaxShards) {
    return bad(fmt::format("envelope counts {} shards, the format allows {}", envelope.shard_count,
                           kMaxShards));
  }
  const bool index = envelope.kind == FileKind::kIndex;
  const bool numbered =
      index ? envelope.shard_number == kNone : envelope.shard_number < envelope.shard_count;
  if (!numbered) {
    return bad(fmt::format("envelope has the impossible shard number {} of {}",
                           envelope.shard_number, envelope.shard_count));
  }
  return {};
}

Envelope read_fields(Bytes page) {
  Envelope envelope;
  envelope.format_major = load_le<std::uint16_t>(&page[kMajorAt]);
  envelope.format_minor = load_le<std::uint16_t>(&page[kMinorAt]);
  envelope.kind = static_cast<FileKind>(page[kKindAt]);
  envelope.incompatible_flags = load_le<std::uint64_t>(&page[kIncompatibleAt]);
  envelope.compatible_flags = load_le<std::uint64_t>(&page[kCompatibleAt]);
  std::memcpy(envelope.uuid.bytes, &page[kUuidAt], sizeof envelope.uuid.bytes);
  envelope.shard_number = load_le<std::uint32_t>(&page[kShardNumberAt]);
  envelope.shard_count = load_le<std::uint32_t>(&page[kShardCountAt]);
  envelope.file_size = load_le<std::uint64_t>(&page[kFileSizeAt]);
  envelope.data.begin = load_le<std::uint64_t>(&page[kDataBeginAt]);
  envelope.data.end = load_le<std::uint64_t>(&page[kDataEndAt]);
  envelope.data_hash = load_le<std::uint64_t>(&page[kDataHashAt]);
  envelope.envelope_hash = load_le<std::uint64_t>(&page[kHashAt]);
  return envelope;
}

}  // namespace

bool has_magic(Bytes bytes) noexcept {
  return bytes.size() >= kMagic.size() &&
         std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

EnvelopeBytes encode_envelope(const Envelope& envelope) {
  EnvelopeBytes page{};
  std::memcpy(page.data(), kMagic.data(), kMagic.size());
  store_le(&page[kMajorAt], envelope.format_major);
  store_le(&page[kMinorAt], envelope.format_minor);
  store_le(&page[kEnvelopeSizeAt], static_cast<std::uint32_t>(kEnvelopeSize));
  page[kKindAt] = static_cast<std::byte>(envelope.kind);
  store_le(&page[kIncompatibleAt], envelope.incompatible_flags);
  store_le(&page[kCompatibleAt], envelope.compatible_flags);
  std::memcpy(&page[kUuidAt], envelope.uuid.bytes, sizeof envelope.uuid.bytes);
  store_le(&page[kShardNumberAt], envelope.shard_number);
  store_le(&page[kShardCountAt], envelope.shard_count);
  store_le(&page[kFileSizeAt], envelope.file_size);
  store_le(&page[kDataBeginAt], envelope.data.begin);
  store_le(&page[kDataEndAt], envelope.data.end);
  store_le(&page[kDataHashAt], envelope.data_hash);
  store_le(&page[kHashAt], hash64(Bytes(page).first(kHashAt)));
  return page;
}

Result<Envelope> decode_envelope(Bytes first_page, std::uint64_t actual_file_size) {
  if (!has_magic(first_page)) return bad("is not a file of wpack (its magic bytes differ)");
  if (first_page.size() != kEnvelopeSize) {
    return Error(ErrorCode::kIntegrity,
                 fmt::format("is {} bytes long, shorter than an envelope", actual_file_size));
  }
  const Envelope envelope = read_fields(first_page);
  if (hash64(first_page.first(kHashAt)) != envelope.envelope_hash)
    return Error(ErrorCode::kIntegrity, "envelope is damaged: its checksum does not match");
  WPACK_TRY(check_version(envelope.format_major, envelope.format_minor));
  if (envelope.incompatible_flags != 0) {
    return bad(
        fmt::format("needs features that this wpack does not have (incompatible flags {:#x})",
                    envelope.incompatible_flags));
  }
  if (envelope.kind != FileKind::kIndex && envelope.kind != FileKind::kShard) {
    return bad(
        fmt::format("envelope has the unknown file kind {}", static_cast<unsigned>(envelope.kind)));
  }
  const auto envelope_size = load_le<std::uint32_t>(&first_page[kEnvelopeSizeAt]);
  if (envelope_size != kEnvelopeSize)
    return bad(fmt::format("envelope has the impossible size {}", envelope_size));
  const bool reserved_zero =
      base::all_zero(first_page.subspan(kKindAt + 1, kIncompatibleAt - kKindAt - 1)) &&
      base::all_zero(first_page.subspan(kZerosBegin, kHashAt - kZerosBegin));
  const bool shard_hash_zero = envelope.kind == FileKind::kIndex || envelope.data_hash == 0;
  if (!reserved_zero || !shard_hash_zero)
    return bad("envelope has reserved bytes that are not zero");
  WPACK_TRY(check_numbers(envelope, actual_file_size));
  return envelope;
}

std::string shard_file_name(std::uint32_t number) { return fmt::format("{:05}.wps", number); }

}  // namespace wpack::format
