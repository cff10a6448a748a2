#include "export/zip_layout.h"

#include <algorithm>

#include "base/align.h"
#include "base/little_endian.h"

namespace wpack::exporting {
namespace {

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

constexpr std::uint16_t kVersion = 45;  // of the specification, the first with ZIP64
constexpr std::uint16_t kUtf8Names = 0x0800;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kTime = 0;
constexpr std::uint16_t kDate = 0x0021;  // 1980-01-01, the first that there is

template <typename T>
void append(std::string& out, T value) {
  std::byte bytes[sizeof(T)];
  base::store_le(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

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
  append(extra, kZip64Extra);
  append(extra, std::uint16_t{16});
  append(extra, member.size);
  append(extra, member.size);
  return extra;
}

// That of the central directory, which holds just the values that do not fit elsewhere.
std::string central_zip64_extra(const ZipMember& member) {
  std::string values;
  if (member.size >= kMax32) {
    append(values, member.size);
    append(values, member.size);
  }
  if (member.header_position >= kMax32) append(values, member.header_position);
  std::string extra;
  if (values.empty()) return extra;
  append(extra, kZip64Extra);
  append(extra, static_cast<std::uint16_t>(values.size()));
  return extra + values;
}

// From the version to the name's size: the part that local and central headers share.
void append_common(std::string& out, const ZipMember& member) {
  append(out, kVersion);
  append(out, kUtf8Names);
  append(out, kStored);
  append(out, kTime);
  append(out, kDate);
  append(out, member.crc32);
  append(out, clamp32(member.size));
  append(out, clamp32(member.size));
  append(out, static_cast<std::uint16_t>(member.name.size()));
}

void append_central_header(std::string& out, const ZipMember& member) {
  const std::string extra = central_zip64_extra(member);
  append(out, kCentralSignature);
  append(out, kVersion);
  append_common(out, member);
  append(out, static_cast<std::uint16_t>(extra.size()));
  append(out, std::uint16_t{0});  // comment
  append(out, std::uint16_t{0});  // disk
  append(out, std::uint16_t{0});  // internal attributes
  append(out, std::uint32_t{0});  // external attributes
  append(out, clamp32(member.header_position));
  out += member.name;
  out += extra;
}

void append_end_records(std::string& out, std::uint64_t count, std::uint64_t position) {
  const std::uint64_t size = out.size();
  append(out, kZip64EndSignature);
  append(out, kZip64EndSize - 12);  // what follows this field
  append(out, kVersion);
  append(out, kVersion);
  append(out, std::uint32_t{0});  // disk
  append(out, std::uint32_t{0});  // disk of the central directory
  append(out, count);
  append(out, count);
  append(out, size);
  append(out, position);
  append(out, kZip64LocatorSignature);
  append(out, std::uint32_t{0});  // disk of the ZIP64 end record
  append(out, position + size);
  append(out, std::uint32_t{1});  // disks
  append(out, kEndSignature);
  append(out, std::uint16_t{0});  // disk
  append(out, std::uint16_t{0});  // disk of the central directory
  append(out, clamp16(count));
  append(out, clamp16(count));
  append(out, clamp32(size));
  append(out, clamp32(position));
  append(out, std::uint16_t{0});  // comment
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
  append(out, kLocalSignature);
  append_common(out, member);
  append(out, static_cast<std::uint16_t>(extra_size));
  out += member.name;
  out += zip64;
  append(out, kPaddingExtra);
  append(out, static_cast<std::uint16_t>(padding_size));
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
