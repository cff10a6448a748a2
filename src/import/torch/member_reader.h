// Reading the bytes of a zip archive's members, in any order, with every CRC-32 checked once.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "import/inflate_work.h"
#include "import/torch/zip_archive.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/progress.h"
#include "wpack/types.h"

struct libdeflate_decompressor;

namespace wpack::import {

// Stored members are read in place; their CRC-32 grows as they are read from front to back, and
// finish() reads what is then missing. Deflated members are inflated whole, checked at once, and
// kept as long as the budget allows.
//
// Thread safety: one thread at a time.
class MemberReader {
 public:
  // Borrows `file`, `archive` and `work`, which is that of all files of a source. `identity` is
  // that of the file when it was opened.
  MemberReader(const os::File& file, const ZipArchive& archive, const os::FileIdentity& identity,
               std::uint64_t inflate_budget, InflateWork& work);
  MemberReader(const MemberReader&) = delete;
  MemberReader& operator=(const MemberReader&) = delete;
  ~MemberReader();

  // True if the archive was written without checksums: every member's CRC-32 is 0.
  [[nodiscard]] bool unchecked() const noexcept { return unchecked_; }

  // Checks that every deflated member fits into the budget, and that those of all files together,
  // as they are stored and inflated, take at most 128 budgets and 16 times what they are stored as.
  // Called once. Errors: kLimit.
  [[nodiscard]] Status check_budget();

  // Fills `out` from `offset` of `member` (one of the archive's); the range lies inside it.
  // Errors: kIo (also when the file has changed since it was opened), kIntegrity, kLimit; messages
  // start with the file's label.
  [[nodiscard]] Status read(const ZipMember& member, std::uint64_t offset, MutableBytes out);

  // Returns all bytes of `member`, which the caller has found small enough. Errors: as read().
  [[nodiscard]] Result<std::vector<std::byte>> read_whole(const ZipMember& member);

  // Checks every CRC-32 that reading has not, and that the file did not change. Errors: as read().
  [[nodiscard]] Status finish(const KeepGoing& keep_going);

  // Gives back the memory of members that were inflated. They are inflated again when they are
  // read.
  void drop_caches() noexcept {
    inflated_.clear();
    places_.clear();
    inflated_size_ = 0;
    decompressor_.reset();
  }

 private:
  struct Inflated {
    std::size_t member = 0;
    std::vector<std::byte> bytes;
  };
  struct FreeDecompressor {
    void operator()(libdeflate_decompressor* it) const noexcept;
  };
  using Decompressor = std::unique_ptr<libdeflate_decompressor, FreeDecompressor>;
  // How far from the front a member's bytes have gone into its CRC-32.
  struct Progress {
    std::uint64_t checked = 0;
    std::uint32_t crc32 = 0;
  };

  [[nodiscard]] Status check_budget(const ZipMember& member) const;
  [[nodiscard]] std::size_t position(const ZipMember& member) const noexcept;
  [[nodiscard]] Error fault(const ZipMember& member, std::string_view cause) const;
  [[nodiscard]] Status check_unchanged() const;
  [[nodiscard]] Status extend_checksum(std::size_t index, std::uint64_t offset, Bytes bytes);
  [[nodiscard]] Status finish_stored(std::size_t index, MutableBytes buffer,
                                     const KeepGoing& keep_going);
  [[nodiscard]] Status go_on(const KeepGoing& keep_going) const;
  [[nodiscard]] Result<Bytes> inflated(std::size_t index);
  [[nodiscard]] Status inflate(const ZipMember& member, MutableBytes out);
  void make_room(std::uint64_t needed);
  [[nodiscard]] static std::uint64_t kept_size(const Inflated& entry);

  const os::File& file_;
  const ZipArchive& archive_;
  os::FileIdentity identity_;
  std::uint64_t inflate_budget_;
  InflateWork& work_;
  bool unchecked_ = false;
  std::vector<Progress> progress_;  // by position in archive_.members()
  std::list<Inflated> inflated_;    // least recently used first
  std::unordered_map<std::size_t, std::list<Inflated>::iterator> places_;  // by member
  std::uint64_t inflated_size_ = 0;  // bytes that inflated_ takes
  Decompressor decompressor_;        // made when first needed
};

}  // namespace wpack::import
