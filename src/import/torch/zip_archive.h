// The members of a zip archive as PyTorch writes it: one top folder, members stored or deflated.
//
// Zip describes each member twice and lets the descriptions differ, and readers that believe
// different ones see different files. Here they must agree, members must not overlap, and nothing
// may stand before the first one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "import/memory_meter.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

struct ZipMember {
  std::string_view name;           // below the top folder, if any; valid while the archive lives
  std::uint64_t header_begin = 0;  // of the local header in the file
  std::uint64_t data_begin = 0;    // of the stored bytes in the file
  std::uint64_t stored_size = 0;   // bytes in the file
  std::uint64_t size = 0;          // bytes after inflating; stored_size if not deflated
  std::uint32_t crc32 = 0;         // of the bytes after inflating
  bool deflated = false;
  bool descriptor = false;  // the local header leaves sizes and CRC to a record behind the data
};

// Move-only. Thread safety: const members, from several threads at once.
class ZipArchive {
 public:
  static constexpr std::uint64_t kMaxDirectorySize = std::uint64_t{64} << 20;
  static constexpr std::uint64_t kMaxMembers = std::uint64_t{4} << 20;

  // Reads the central directory and every local header of `file`; `meter` is charged for them.
  // Errors: kIo, kBadInput, kLimit; messages start with the file's label.
  [[nodiscard]] static Result<ZipArchive> open(const os::File& file, std::uint64_t file_size,
                                               MemoryMeter& meter);

  ZipArchive(ZipArchive&&) noexcept = default;
  ZipArchive& operator=(ZipArchive&&) noexcept = default;

  // True if all members lie in one folder, which is then left out of their names.
  [[nodiscard]] bool has_top_folder() const noexcept { return has_top_folder_; }
  // All members but directories, in the order of their place in the file.
  [[nodiscard]] std::span<const ZipMember> members() const noexcept { return members_; }
  // Returns how many bytes all members take in the file.
  [[nodiscard]] std::uint64_t stored_size() const noexcept;
  // Returns the member called `name` (below the top folder), or nullptr.
  [[nodiscard]] const ZipMember* find(std::string_view name) const noexcept;
  // The bytes of the central directory.
  [[nodiscard]] Bytes directory() const noexcept { return directory_; }

 private:
  ZipArchive() = default;

  [[nodiscard]] Status parse_directory(const os::File& file, std::uint64_t entry_count);
  void strip_top_folder();
  [[nodiscard]] Status remove_directories(const os::File& file);
  [[nodiscard]] Status index_names(const os::File& file);
  [[nodiscard]] Status check_local_headers(const os::File& file, std::uint64_t directory_begin);

  std::vector<std::byte> directory_;
  std::vector<ZipMember> members_;
  bool has_top_folder_ = false;
  std::vector<std::uint32_t> by_name_;  // positions in members_, ascending by name
};

}  // namespace wpack::import
