#include "export/zip_layout.h"

#include <algorithm>

#include "base/align.h"
#include "base/little_endian.h"

namespace wpack::exporting {
namespace {

using base::append_le;

constexpr std::uint64_t kMax16 = 0xFFFF;
constexpr std::uint64_t kMax32 = 0xFFFFFFFF;

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kCentralSignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;

constexpr std::uint64_t kLocalHeaderSize = 30;
constexpr std::uint64_t kExtraHeaderSize = 4;
constexpr std::uint64_t kZip64EndSize = 56;
constexpr std::uint16_t kZip64Extra = 0x0001;
constexpr std::uint16_t kPaddingExtra = 0x4246;  // "FB"
constexpr char kPaddingByte = 'Z';

constexpr std::uint16_t kZipVersion = 45;  // of the specification, the first with ZIP64
constexpr std::uint16_t kUtf8Names = 0x0800;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kTime = 0;
constexpr std::uint16_t kDate = 0x0021;  // 1980-01-01, the first that there is

std::uint32_t clamp32(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min(value, kMax32));
}

std::uint16_t clamp16(std::uint64_t value) {
  return static_cast<std::uint16_t>(std::min(value, kMax16));
}

// The ZIP64 extra field of a local header, which holds both sizes or nothing.
std::string local_zip64_extra(const ZipMember& member) {
  std::string extra;
  if (member.size < kMax32) return extra;
  append_le(extra, kZip64Extra);
  append_le(extra, std::uint16_t{16});
  append_le(extra, member.size);
  append_le(extra, member.size);
  return extra;
}

// That of the central directory, which holds just the values that do not fit elsewhere.
std::string central_zip64_extra(const ZipMember& member) {
  std::string values;
  if (member.size >= kMax32) {
    append_le(values, member.size);
    append_le(values, member.size);
  }
  if (member.header_position >= kMax32) append_le(values, member.header_position);
  std::string extra;
  if (values.empty()) return extra;
  append_le(extra, kZip64Extra);
  append_le(extra, static_cast<std::uint16_t>(values.size()));
  return extra + values;
}

// From the version to the name's size: the part that local and central headers share.
void append_common(std::string& out, const ZipMember& member) {
  append_le(out, kZipVersion);
  append_le(out, kUtf8Names);
  append_le(out, kStored);
  append_le(out, kTime);
  append_le(out, kDate);
  append_le(out, member.crc32);
  append_le(out, clamp32(member.size));
  append_le(out, clamp32(member.size));
  append_le(out, static_cast<std::uint16_t>(member.name.size()));
}

void append_central_header(std::string& out, const ZipMember& member) {
  const std::string extra = central_zip64_extra(member);
  append_le(out, kCentralSignature);
  append_le(out, kZipVersion);
  append_common(out, member);
  append_le(out, static_cast<std::uint16_t>(extra.size()));
  append_le(out, std::uint16_t{0});  // comment
  append_le(out, std::uint16_t{0});  // disk
  append_le(out, std::uint16_t{0});  // internal attributes
  append_le(out, std::uint32_t{0});  // external attributes
  append_le(out, clamp32(member.header_position));
  out += member.name;
  out += extra;
}

void append_end_records(std::string& out, std::uint64_t count, std::uint64_t position) {
  const std::uint64_t size = out.size();
  append_le(out, kZip64EndSignature);
  append_le(out, kZip64EndSize - 12);  // what follows this field
  append_le(out, kZipVersion);
  append_le(out, kZipVersion);
  append_le(out, std::uint32_t{0});  // disk
  append_le(out, std::uint32_t{0});  // disk of the central directory
  append_le(out, count);
  append_le(out, count);
  append_le(out, size);
  append_le(out, position);
  append_le(out, kZip64LocatorSignature);
  append_le(out, std::uint32_t{0});  // disk of the ZIP64 end record
  append_le(out, position + size);
  append_le(out, std::uint32_t{1});  // disks
  append_le(out, kEndSignature);
  append_le(out, std::uint16_t{0});  // disk
  append_le(out, std::uint16_t{0});  // disk of the central directory
  append_le(out, clamp16(count));
  append_le(out, clamp16(count));
  append_le(out, clamp32(size));
  append_le(out, clamp32(position));
  append_le(out, std::uint16_t{0});  // comment
}

}  // namespace

std::uint64_t place_members(std::span<ZipMember> members, std::uint64_t alignment) {
  std::uint64_t position = 0;
  for (ZipMember& member : members) {
    member.header_position = position;
    const std::uint64_t end = position + kLocalHeaderSize + member.name.size() +
                              local_zip64_extra(member).size() + kExtraHeaderSize;
    member.data_position = base::align_up(end, alignment);
    position = member.data_position + member.size;
  }
  return position;
}

std::string local_header(const ZipMember& member) {
  const std::string zip64 = local_zip64_extra(member);
  const std::uint64_t extra_size =
      member.data_position - member.header_position - kLocalHeaderSize - member.name.size();
  const std::uint64_t padding_size = extra_size - zip64.size() - kExtraHeaderSize;
  std::string out;
  append_le(out, kLocalSignature);
  append_common(out, member);
  append_le(out, static_cast<std::uint16_t>(extra_size));
  out += member.name;
  out += zip64;
  append_le(out, kPaddingExtra);
  append_le(out, static_cast<std::uint16_t>(padding_size));
  out.append(padding_size, kPaddingByte);
  return out;
}

std::string central_directory(std::span<const ZipMember> members, std::uint64_t position) {
  std::string out;
  for (const ZipMember& member : members) append_central_header(out, member);
  append_end_records(out, members.size(), position);
  return out;
}

}  // namespace wpack::exporting
