// The envelopes: rules E1 to E10.
#include "recipes.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;
using format::kNone;

// Offsets of SPEC section 4.
enum Offset : std::size_t {
  kMajor = 8,
  kMinor = 10,
  kEnvelopeSize = 12,
  kKind = 16,
  kReserved = 17,
  kIncompatible = 24,
  kCompatible = 32,
  kUuid = 40,
  kShardNumber = 56,
  kShardCount = 60,
  kFileSize = 64,
  kDataBegin = 72,
  kDataEnd = 80,
  kDataHash = 88,
  kTail = 96,
  kHash = 4088,
};

constexpr std::uint64_t kPage = 4096;
constexpr auto kU8 = [](unsigned value) { return static_cast<std::uint8_t>(value); };
constexpr auto kU16 = [](unsigned value) { return static_cast<std::uint16_t>(value); };
constexpr auto kU32 = [](std::uint32_t value) { return value; };
constexpr auto kU64 = [](std::uint64_t value) { return value; };

void flip_index(const fs::path& path, std::uint64_t at) { flip_byte(path / "index.wpi", at); }
void flip_shard(const fs::path& path, std::uint64_t at) { flip_byte(path / "00000.wps", at); }
void cut_index(const fs::path& path, std::uint64_t size) {
  fs::resize_file(path / "index.wpi", size);
}
void cut_shard(const fs::path& path, std::uint64_t size) {
  fs::resize_file(path / "00000.wps", size);
}

std::vector<Recipe> index_envelopes() {
  const auto field = [](const char* name, std::size_t at, auto value) {
    return with_envelope(name, no_payload, kNone, set_field(at, value));
  };
  return {
      field("index-magic", 4, kU16(0x0A0A)),
      with_files("index-empty", no_payload, [](auto& path) { cut_index(path, 0); }),
      with_files("index-short", no_payload, [](auto& path) { cut_index(path, kPage - 1); }),
      with_files("index-envelope-hash", no_payload, [](auto& path) { flip_index(path, kHash); }),
      field("index-newer-major", kMajor, kU16(1)),
      field("index-newer-minor", kMinor, kU16(99)),
      field("index-incompatible-flag-0", kIncompatible, kU64(1)),
      field("index-incompatible-flag-63", kIncompatible, kU64(1) << 63U),
      field("index-kind-unknown", kKind, kU8(3)),
      with_envelope("index-kind-shard", one_tensor, kNone,
                    [](auto& page) {
                      page[kKind] = std::byte{2};
                      base::store_le(&page[kShardNumber], kU32(0));
                      base::store_le(&page[kDataHash], kU64(0));
                    }),
      field("index-envelope-size", kEnvelopeSize, kU32(8192)),
      field("index-reserved", kReserved, kU8(1)),
      field("index-reserved-tail", kTail, kU8(1)),
      field("index-reserved-tail-end", kHash - 1, kU8(1)),
      field("index-file-size", kFileSize, 3 * kPage),
      with_files("index-truncated", no_payload, [](auto& path) { cut_index(path, kPage); }),
      with_files("index-extended", no_payload, [](auto& path) { cut_index(path, 3 * kPage); }),
      field("index-data-begin", kDataBegin, kU64(4100)),
      field("index-data-empty", kDataEnd, kPage),
      field("index-data-past-the-file", kDataEnd, 2 * kPage + 1),
      field("index-data-end-huge", kDataEnd, ~kU64(0)),
      field("index-has-a-shard-number", kShardNumber, kU32(0)),
      field("index-shard-count-too-large", kShardCount, kU32(65'536)),
      field("index-data-hash", kDataHash, kU64(1)),
      with_files("index-padding", no_payload, [](auto& path) { flip_index(path, 2 * kPage - 1); }),
  };
}

std::vector<Recipe> shard_envelopes() {
  const auto field = [](const char* name, std::size_t at, auto value) {
    return with_envelope(name, one_tensor, 0, set_field(at, value));
  };
  return {
      field("shard-magic", 4, kU16(0x0A0A)),
      with_files("shard-empty", one_tensor, [](auto& path) { cut_shard(path, 0); }),
      with_files("shard-short", one_tensor, [](auto& path) { cut_shard(path, kPage - 1); }),
      with_files("shard-envelope-hash", one_tensor, [](auto& path) { flip_shard(path, kHash); }),
      field("shard-newer-major", kMajor, kU16(1)),
      field("shard-newer-minor", kMinor, kU16(99)),
      field("shard-incompatible-flag", kIncompatible, kU64(1)),
      field("shard-kind-unknown", kKind, kU8(3)),
      field("shard-envelope-size", kEnvelopeSize, kU32(8192)),
      field("shard-reserved", kReserved, kU8(1)),
      field("shard-reserved-tail", kTail, kU8(1)),
      field("shard-has-a-data-hash", kDataHash, kU64(1)),
      field("shard-file-size", kFileSize, 3 * kPage),
      with_files("shard-truncated", one_tensor, [](auto& path) { cut_shard(path, kPage); }),
      with_files("shard-extended", one_tensor, [](auto& path) { cut_shard(path, 3 * kPage); }),
      field("shard-data-begin", kDataBegin, kU64(4100)),
      field("shard-data-empty", kDataEnd, kPage),
      field("shard-data-past-the-file", kDataEnd, 2 * kPage + 1),
      field("shard-number-too-large", kShardNumber, kU32(1)),
      field("shard-count-too-large", kShardCount, kU32(65'536)),
      field("shard-of-another-container", kUuid, kU8(0)),
      field("shard-of-more", kShardCount, kU32(2)),
      field("shard-data-end-differs", kDataEnd, kPage + 9),
      with_envelope("shard-kind-index", one_tensor, 0,
                    [](auto& page) {
                      page[kKind] = std::byte{1};
                      base::store_le(&page[kShardNumber], kNone);
                    }),
      with_files(
          "shard-envelope-differs", one_tensor,
          [](auto& path) {
            const fs::path other = path.string() + ".other";
            (void)one_tensor().patch_envelope(0, set_field(kCompatible, kU64(1))).build(other);
            fs::rename(other / "00000.wps", path / "00000.wps");
            fs::remove_all(other);
          }),
      with_files("shards-swapped", two_shards,
                 [](auto& path) {
                   fs::rename(path / "00000.wps", path / "other");
                   fs::rename(path / "00001.wps", path / "00000.wps");
                   fs::rename(path / "other", path / "00001.wps");
                 }),
      with_files("shard-doubled", two_shards,
                 [](auto& path) {
                   fs::copy_file(path / "00000.wps", path / "00001.wps",
                                 fs::copy_options::overwrite_existing);
                 }),
  };
}

}  // namespace

std::vector<Recipe> envelope_recipes() {
  std::vector<Recipe> recipes = index_envelopes();
  std::ranges::move(shard_envelopes(), std::back_inserter(recipes));
  return recipes;
}

}  // namespace wpack::testing
