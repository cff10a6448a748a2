// Zip archives for tests, member by member, with every field open to damage.
#pragma once

#include <libdeflate.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace wpack::testing {

inline void append_number(std::string& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// One member. What is unset follows from `data`; "central" and "local" are the two descriptions.
struct ZipEntry {
  std::string name;
  std::string data;
  bool deflate = false;
  bool descriptor = false;  // sizes and CRC stand behind the data, as PyTorch writes them
  bool zip64 = false;       // the central sizes and offset stand in a zip64 field
  std::uint16_t flags = 0;  // besides the descriptor's
  std::optional<std::uint16_t> method;
  std::optional<std::uint16_t> local_method;
  std::optional<std::string> local_name;
  std::optional<std::uint32_t> crc;
  std::optional<std::uint32_t> local_crc;
  std::optional<std::uint64_t> size;
  std::optional<std::uint64_t> local_size;
  std::optional<std::uint64_t> stored_size;
  std::optional<std::uint64_t> header_offset;
  std::optional<std::uint32_t> local_signature;
  std::uint16_t disk = 0;
  std::string central_extra;
  std::string local_extra;
  std::string padding;  // between the data and what follows
};

// Bytes that are deflated once, for many members.
struct DeflatedData {
  std::string stored;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
};

struct ZipBuilder {
  std::vector<ZipEntry> entries;
  std::string prefix;   // before the first member
  std::string gap;      // between the central directory and the end records
  std::string comment;  // of the archive
  std::string suffix;   // behind everything
  bool zip64_end = false;
  std::uint16_t disk = 0;
  std::optional<std::uint64_t> entry_count;
  std::optional<std::uint64_t> directory_size;
  std::optional<std::uint64_t> directory_offset;
  std::optional<std::uint64_t> end64_offset;
  std::optional<std::uint64_t> end64_entry_count;
  std::optional<std::uint64_t> end64_size;

  ZipEntry& add(std::string name, std::string data) {
    ZipEntry& added = entries.emplace_back();
    added.name = std::move(name);
    added.data = std::move(data);
    return added;
  }
  ZipEntry& add(std::string name, const DeflatedData& data) {
    ZipEntry& added = add(std::move(name), data.stored);
    added.method = 8;
    added.local_method = 8;
    added.descriptor = true;
    added.size = data.size;
    added.crc = data.crc;
    return added;
  }
  ZipEntry& entry(std::string_view name) {
    for (ZipEntry& candidate : entries)
      if (candidate.name == name) return candidate;
    throw std::runtime_error("no entry " + std::string(name));
  }

  [[nodiscard]] std::string build() const;
};

inline std::string deflated(const std::string& data) {
  libdeflate_compressor* compressor = libdeflate_alloc_compressor(6);
  std::string out(libdeflate_deflate_compress_bound(compressor, data.size()), '\0');
  out.resize(
      libdeflate_deflate_compress(compressor, data.data(), data.size(), out.data(), out.size()));
  libdeflate_free_compressor(compressor);
  return out;
}

inline DeflatedData deflate_once(const std::string& data) {
  return {.stored = deflated(data),
          .size = data.size(),
          .crc = libdeflate_crc32(0, data.data(), data.size())};
}

inline std::string local_part(const ZipEntry& entry, const std::string& stored, std::uint32_t crc) {
  const auto flags = static_cast<std::uint16_t>(entry.flags | (entry.descriptor ? 8 : 0));
  const std::string name = entry.local_name.value_or(entry.name);
  std::string out;
  append_number(out, entry.local_signature.value_or(0x04034B50), 4);
  append_number(out, 20, 2);
  append_number(out, flags, 2);
  append_number(out, entry.local_method.value_or(entry.deflate ? 8 : 0), 2);
  append_number(out, 0, 4);
  append_number(out, entry.descriptor ? 0 : entry.local_crc.value_or(crc), 4);
  append_number(out, entry.descriptor ? 0 : entry.local_size.value_or(stored.size()), 4);
  append_number(out, entry.descriptor ? 0 : entry.local_size.value_or(entry.data.size()), 4);
  append_number(out, name.size(), 2);
  append_number(out, entry.local_extra.size(), 2);
  out += name + entry.local_extra + stored;
  if (entry.descriptor) {
    append_number(out, 0x08074B50, 4);
    append_number(out, crc, 4);
    append_number(out, stored.size(), 4);
    append_number(out, entry.data.size(), 4);
  }
  return out + entry.padding;
}

inline std::string central_part(const ZipEntry& entry, std::uint64_t stored_size,
                                std::uint64_t offset, std::uint32_t crc) {
  const auto flags = static_cast<std::uint16_t>(entry.flags | (entry.descriptor ? 8 : 0));
  const std::uint64_t size = entry.size.value_or(entry.data.size());
  const std::uint64_t stored = entry.stored_size.value_or(stored_size);
  const std::uint64_t header = entry.header_offset.value_or(offset);
  std::string extra = entry.central_extra;
  if (entry.zip64) {
    append_number(extra, 1, 2);
    append_number(extra, 24, 2);
    append_number(extra, size, 8);
    append_number(extra, stored, 8);
    append_number(extra, header, 8);
  }
  std::string out;
  append_number(out, 0x02014B50, 4);
  append_number(out, 20, 2);
  append_number(out, 20, 2);
  append_number(out, flags, 2);
  append_number(out, entry.method.value_or(entry.deflate ? 8 : 0), 2);
  append_number(out, 0, 4);
  append_number(out, entry.crc.value_or(crc), 4);
  append_number(out, entry.zip64 ? 0xFFFFFFFF : stored, 4);
  append_number(out, entry.zip64 ? 0xFFFFFFFF : size, 4);
  append_number(out, entry.name.size(), 2);
  append_number(out, extra.size(), 2);
  append_number(out, 0, 2);
  append_number(out, entry.disk, 2);
  append_number(out, 0, 6);
  append_number(out, entry.zip64 ? 0xFFFFFFFF : header, 4);
  return out + entry.name + extra;
}

inline std::string ZipBuilder::build() const {
  std::string out = prefix;
  std::string directory;
  for (const ZipEntry& entry : entries) {
    const std::uint32_t crc = libdeflate_crc32(0, entry.data.data(), entry.data.size());
    const std::string stored = entry.deflate ? deflated(entry.data) : entry.data;
    directory += central_part(entry, stored.size(), out.size(), crc);
    out += local_part(entry, stored, crc);
  }
  const std::uint64_t begin = directory_offset.value_or(out.size());
  const std::uint64_t size = directory_size.value_or(directory.size());
  const std::uint64_t count = entry_count.value_or(entries.size());
  out += directory + gap;
  if (zip64_end) {
    const std::uint64_t end64 = end64_offset.value_or(out.size());
    append_number(out, 0x06064B50, 4);
    append_number(out, end64_size.value_or(44), 8);
    out.append(12, '\0');
    append_number(out, end64_entry_count.value_or(count), 8);
    append_number(out, end64_entry_count.value_or(count), 8);
    append_number(out, size, 8);
    append_number(out, begin, 8);
    append_number(out, 0x07064B50, 4);
    append_number(out, 0, 4);
    append_number(out, end64, 8);
    append_number(out, 1, 4);
  }
  append_number(out, 0x06054B50, 4);
  append_number(out, disk, 4);
  append_number(out, count, 2);
  append_number(out, count, 2);
  append_number(out, size, 4);
  append_number(out, begin, 4);
  append_number(out, comment.size(), 2);
  return out + comment + suffix;
}

}  // namespace wpack::testing
