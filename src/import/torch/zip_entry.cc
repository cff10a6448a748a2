#include "import/torch/zip_entry.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "base/little_endian.h"
#include "import/bad_input.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

using base::load_le;

constexpr std::uint32_t kCentralSignature = 0x02014B50;
constexpr std::uint32_t kLocalSignature = 0x04034B50;
constexpr std::uint16_t kMethodStored = 0;
constexpr std::uint16_t kMethodDeflated = 8;
constexpr std::uint16_t kFlagEncrypted = 0x0001;
constexpr std::uint16_t kFlagDescriptor = 0x0008;
// Two bits that tell how hard a deflater tried, the data descriptor, and UTF-8 names.
constexpr std::uint16_t kKnownFlags = 0x0006 | kFlagDescriptor | 0x0800;
constexpr std::uint16_t kZip64ExtraId = 0x0001;
constexpr std::uint32_t kSaturated32 = 0xFFFFFFFF;

std::string_view member_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The zip64 field of an extra area: empty where there is none. Fails where the area is malformed
// or has two of them.
std::optional<Bytes> find_zip64_extra(Bytes extra) {
  Bytes found;
  while (extra.size() >= 4) {
    const auto id = load_le<std::uint16_t>(extra.data());
    const std::size_t size = load_le<std::uint16_t>(extra.data() + 2);
    if (size > extra.size() - 4) return std::nullopt;
    if (id == kZip64ExtraId) {
      if (found.data() != nullptr) return std::nullopt;
      found = extra.subspan(4, size);
    }
    extra = extra.subspan(4 + size);
  }
  return found;
}

// Replaces `value`, if it is saturated, by the next 8 bytes of the zip64 field.
bool widen(std::uint64_t& value, Bytes& zip64) {
  if (value != kSaturated32) return true;
  if (zip64.size() < 8) return false;
  value = load_le<std::uint64_t>(zip64.data());
  zip64 = zip64.subspan(8);
  return true;
}

Status check_flags(std::uint16_t flags, std::string_view name) {
  if ((flags & kFlagEncrypted) != 0)
    return bad(fmt::format("member '{}' is encrypted", escape_name(name)));
  if ((flags & ~kKnownFlags) != 0) {
    return bad(fmt::format("member '{}' has unsupported flags {:#06x}", escape_name(name), flags));
  }
  return {};
}

bool has_bad_component(std::string_view name) {
  while (!name.empty()) {
    const std::size_t slash = name.find('/');
    const std::string_view component = name.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return true;
    if (slash == std::string_view::npos) break;
    name.remove_prefix(slash + 1);
  }
  return false;
}

Status check_member_name(std::string_view name) {
  if (name.empty()) return bad("a member has an empty name");
  if (name.find('\0') != std::string_view::npos || name.find('\\') != std::string_view::npos ||
      has_bad_component(name))
    return bad(fmt::format("member '{}' has an unsafe name", escape_name(name)));
  return {};
}

}  // namespace

Result<std::size_t> parse_central_entry(Bytes directory, ZipMember& member) {
  if (directory.size() < kCentralEntrySize ||
      load_le<std::uint32_t>(directory.data()) != kCentralSignature)
    return bad("its central directory is malformed");
  const std::byte* entry = directory.data();
  const auto flags = load_le<std::uint16_t>(entry + 8);
  const auto method = load_le<std::uint16_t>(entry + 10);
  const std::size_t name_size = load_le<std::uint16_t>(entry + 28);
  const std::size_t extra_size = load_le<std::uint16_t>(entry + 30);
  const std::size_t comment_size = load_le<std::uint16_t>(entry + 32);
  const std::size_t size = kCentralEntrySize + name_size + extra_size + comment_size;
  if (size > directory.size()) return bad("its central directory is malformed");

  member.name = member_text(directory.subspan(kCentralEntrySize, name_size));
  WPACK_TRY(check_member_name(member.name));
  WPACK_TRY(check_flags(flags, member.name));
  if (method != kMethodStored && method != kMethodDeflated) {
    return bad(fmt::format("member '{}' uses compression method {}, which is not supported",
                           escape_name(member.name), method));
  }
  member.deflated = method == kMethodDeflated;
  member.descriptor = (flags & kFlagDescriptor) != 0;
  member.crc32 = load_le<std::uint32_t>(entry + 16);
  member.stored_size = load_le<std::uint32_t>(entry + 20);
  member.size = load_le<std::uint32_t>(entry + 24);
  member.header_begin = load_le<std::uint32_t>(entry + 42);
  const auto disk = load_le<std::uint16_t>(entry + 34);
  auto zip64 = find_zip64_extra(directory.subspan(kCentralEntrySize + name_size, extra_size));
  if (!zip64 || !widen(member.size, *zip64) || !widen(member.stored_size, *zip64) ||
      !widen(member.header_begin, *zip64)) {
    return bad(fmt::format("member '{}' has a malformed extra field", escape_name(member.name)));
  }
  if (disk != 0 && disk != 0xFFFF) return bad("it is one of several volumes");
  if (!member.deflated && member.size != member.stored_size) {
    return bad(fmt::format("member '{}' is stored, but its two sizes differ ({} and {} bytes)",
                           escape_name(member.name), member.stored_size, member.size));
  }
  return size;
}

Result<std::size_t> local_header_size(Bytes header) {
  if (load_le<std::uint32_t>(header.data()) != kLocalSignature)
    return bad("has no local header where the central directory says");
  return kLocalHeaderSize + load_le<std::uint16_t>(header.data() + 26) +
         load_le<std::uint16_t>(header.data() + 28);
}

Status check_local_header(Bytes header, std::string_view full_name, const ZipMember& member) {
  const std::byte* fixed = header.data();
  const auto flags = load_le<std::uint16_t>(fixed + 6);
  const auto method = load_le<std::uint16_t>(fixed + 8);
  const auto crc = load_le<std::uint32_t>(fixed + 14);
  const std::size_t name_size = load_le<std::uint16_t>(fixed + 26);
  WPACK_TRY(check_flags(flags, full_name));
  if (member_text(header.subspan(kLocalHeaderSize, name_size)) != full_name)
    return bad("has another name in its local header than in the central directory");
  if (method != (member.deflated ? kMethodDeflated : kMethodStored))
    return bad("has another compression method in its local header than in the central directory");

  std::uint64_t stored_size = load_le<std::uint32_t>(fixed + 18);
  std::uint64_t size = load_le<std::uint32_t>(fixed + 22);
  if (size == kSaturated32 || stored_size == kSaturated32) {
    auto zip64 = find_zip64_extra(header.subspan(kLocalHeaderSize + name_size));
    if (!zip64 || !widen(size, *zip64) || !widen(stored_size, *zip64))
      return bad("has a malformed extra field in its local header");
  }
  const bool deferred = (flags & kFlagDescriptor) != 0;
  const auto agrees = [deferred](std::uint64_t local, std::uint64_t central) {
    return local == central || (deferred && local == 0);
  };
  if (!agrees(stored_size, member.stored_size) || !agrees(size, member.size) ||
      !agrees(crc, member.crc32))
    return bad("has another size or CRC in its local header than in the central directory");
  return {};
}

}  // namespace wpack::import
