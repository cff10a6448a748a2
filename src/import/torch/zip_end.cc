#include "import/torch/zip_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "base/checked_math.h"
#include "base/little_endian.h"

namespace wpack::import {
namespace {

using base::load_le;

constexpr std::uint32_t kEndSignature = 0x06054B50;
constexpr std::uint32_t kLocatorSignature = 0x07064B50;
constexpr std::uint32_t kEnd64Signature = 0x06064B50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLocatorSize = 20;
constexpr std::size_t kEnd64Size = 56;
constexpr std::size_t kMaxCommentSize = 0xFFFF;

// What both forms of the record say.
struct EndFields {
  std::uint32_t disk = 0;
  std::uint32_t directory_disk = 0;
  std::uint64_t disk_entry_count = 0;
  std::uint64_t entry_count = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t directory_begin = 0;
};

Error bad_end(const os::File& file, std::string_view cause) {
  return {ErrorCode::kBadInput, fmt::format("{}: zip archive: {}", file.label(), cause)};
}

// The last signature in `tail` that leaves room for a whole record.
std::optional<std::size_t> find_last_end(Bytes tail) {
  for (std::size_t at = tail.size() - kEndSize + 1; at-- > 0;) {
    if (load_le<std::uint32_t>(&tail[at]) == kEndSignature) return at;
  }
  return std::nullopt;
}

EndFields parse_end(const std::byte* record) {
  return {.disk = load_le<std::uint16_t>(record + 4),
          .directory_disk = load_le<std::uint16_t>(record + 6),
          .disk_entry_count = load_le<std::uint16_t>(record + 8),
          .entry_count = load_le<std::uint16_t>(record + 10),
          .directory_size = load_le<std::uint32_t>(record + 12),
          .directory_begin = load_le<std::uint32_t>(record + 16)};
}

EndFields parse_end64(const std::byte* record) {
  return {.disk = load_le<std::uint32_t>(record + 16),
          .directory_disk = load_le<std::uint32_t>(record + 20),
          .disk_entry_count = load_le<std::uint64_t>(record + 24),
          .entry_count = load_le<std::uint64_t>(record + 32),
          .directory_size = load_le<std::uint64_t>(record + 40),
          .directory_begin = load_le<std::uint64_t>(record + 48)};
}

// A field of the short record either agrees with the long one or says "look there".
bool agree(const EndFields& end, const EndFields& end64) {
  const auto same = [](std::uint64_t value, std::uint64_t saturated, std::uint64_t value64) {
    return value == saturated || value == value64;
  };
  return same(end.entry_count, 0xFFFF, end64.entry_count) &&
         same(end.disk_entry_count, 0xFFFF, end64.disk_entry_count) &&
         same(end.directory_size, 0xFFFFFFFF, end64.directory_size) &&
         same(end.directory_begin, 0xFFFFFFFF, end64.directory_begin);
}

// Reads the zip64 record that `locator` (at `locator_begin` of the file) points to. Returns where
// the record begins, and fills `fields`.
Result<std::uint64_t> read_end64(const os::File& file, const std::byte* locator,
                                 std::uint64_t locator_begin, EndFields& fields) {
  const auto begin = load_le<std::uint64_t>(locator + 8);
  if (load_le<std::uint32_t>(locator + 4) != 0 || load_le<std::uint32_t>(locator + 16) > 1)
    return bad_end(file, "it is one of several volumes");
  if (!base::range_within(begin, kEnd64Size, locator_begin))
    return bad_end(file, "the zip64 end record lies outside the file");
  std::byte record[kEnd64Size];
  WPACK_TRY(file.read_exact(begin, record));
  if (load_le<std::uint32_t>(record) != kEnd64Signature)
    return bad_end(file, "the zip64 end record has the wrong signature");
  const auto rest = load_le<std::uint64_t>(record + 4);
  if (rest != locator_begin - begin - 12)
    return bad_end(file, "the zip64 end record has the wrong size");
  const EndFields end64 = parse_end64(record);
  if (!agree(fields, end64)) return bad_end(file, "its two end records disagree");
  fields = end64;
  return begin;
}

}  // namespace

Result<ZipEnd> find_zip_end(const os::File& file, std::uint64_t file_size) {
  if (file_size < kEndSize) return bad_end(file, "the file is too short");
  const std::uint64_t tail_size =
      std::min<std::uint64_t>(file_size, kEndSize + kMaxCommentSize + kLocatorSize);
  const std::uint64_t tail_begin = file_size - tail_size;
  std::vector<std::byte> tail(static_cast<std::size_t>(tail_size));
  WPACK_TRY(file.read_exact(tail_begin, tail));

  const auto at = find_last_end(tail);
  if (!at) return bad_end(file, "it has no end record: the file is truncated");
  const std::size_t comment_size = load_le<std::uint16_t>(&tail[*at + 20]);
  if (*at + kEndSize + comment_size != tail.size())
    return bad_end(file, "its end record is not at the end: the file is truncated or has a tail");

  EndFields fields = parse_end(&tail[*at]);
  std::uint64_t directory_end = tail_begin + *at;
  if (*at >= kLocatorSize &&
      load_le<std::uint32_t>(&tail[*at - kLocatorSize]) == kLocatorSignature) {
    WPACK_ASSIGN(directory_end,
                 read_end64(file, &tail[*at - kLocatorSize], directory_end - kLocatorSize, fields));
  }
  if (fields.disk != 0 || fields.directory_disk != 0 ||
      fields.disk_entry_count != fields.entry_count)
    return bad_end(file, "it is one of several volumes");
  const auto end = base::checked_add(fields.directory_begin, fields.directory_size);
  if (!end || *end != directory_end)
    return bad_end(file, "its central directory does not end where the end record begins");
  return ZipEnd{{fields.directory_begin, *end}, fields.entry_count};
}

}  // namespace wpack::import
