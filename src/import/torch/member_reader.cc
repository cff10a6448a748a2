#include "import/torch/member_reader.h"

#include <fmt/format.h>
#include <libdeflate.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/checked_math.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::uint64_t kFinishBuffer = std::uint64_t{1} << 20;

std::uint32_t extend_crc32(std::uint32_t crc, Bytes bytes) {
  return libdeflate_crc32(crc, bytes.data(), bytes.size());
}

}  // namespace

void MemberReader::FreeDecompressor::operator()(libdeflate_decompressor* it) const noexcept {
  libdeflate_free_decompressor(it);
}

MemberReader::MemberReader(const os::File& file, const ZipArchive& archive,
                           const os::FileIdentity& identity, std::uint64_t inflate_budget,
                           InflateWork& work)
    : file_(file),
      archive_(archive),
      identity_(identity),
      inflate_budget_(inflate_budget),
      work_(work),
      progress_(archive.members().size()) {
  const auto members = archive_.members();
  unchecked_ =
      std::ranges::all_of(members, [](const ZipMember& member) { return member.crc32 == 0; }) &&
      std::ranges::any_of(members, [](const ZipMember& member) { return member.size != 0; });
  std::uint64_t stored = 0;  // no overflow: members lie in the file, one behind the other
  for (const ZipMember& member : members) stored += member.deflated ? member.stored_size : 0;
  work_.add_stored(stored);
}

MemberReader::~MemberReader() = default;

Status MemberReader::check_budget() {
  for (const ZipMember& member : archive_.members()) {
    WPACK_TRY(check_budget(member));
    if (!member.deflated || work_.expect(member.size + member.stored_size)) continue;
    return Error(ErrorCode::kLimit,
                 fmt::format("{}: zip archive: its deflated members, up to '{}', inflate to more "
                             "than {} bytes",
                             file_.label(), escape_name(member.name), work_.limit()));
  }
  return {};
}

Status MemberReader::check_budget(const ZipMember& member) const {
  if (!member.deflated) return {};
  const auto needed = base::checked_add(member.size, member.stored_size);
  if (needed && *needed <= inflate_budget_) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{}: zip archive: inflating member '{}' ({} bytes from {}) takes more "
                           "than the budget of {} bytes",
                           file_.label(), escape_name(member.name), member.size, member.stored_size,
                           inflate_budget_));
}

std::size_t MemberReader::position(const ZipMember& member) const noexcept {
  return static_cast<std::size_t>(&member - archive_.members().data());
}

Status MemberReader::check_unchanged() const {
  WPACK_ASSIGN(const os::FileIdentity now, file_.identity());
  if (now == identity_) return {};
  return Error(ErrorCode::kIo,
               fmt::format("{}: the file changed while it was read", file_.label()));
}

// A mismatch in a file that somebody writes to is not damage.
Error MemberReader::fault(const ZipMember& member, std::string_view cause) const {
  if (auto status = check_unchanged(); !status) return std::move(status).error();
  return {ErrorCode::kIntegrity,
          fmt::format("{}: zip archive: member '{}' at offset {}: {}", file_.label(),
                      escape_name(member.name), member.data_begin, cause)};
}

Status MemberReader::read(const ZipMember& member, std::uint64_t offset, MutableBytes out) {
  const std::size_t index = position(member);
  if (!base::range_within(offset, out.size(), member.size)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: bytes [{}, +{}) are not in member '{}'", file_.label(), offset,
                             out.size(), escape_name(member.name)));
  }
  if (out.empty()) return {};
  if (member.deflated) {
    WPACK_ASSIGN(const Bytes bytes, inflated(index));
    std::memcpy(out.data(), bytes.data() + offset, out.size());
    return {};
  }
  WPACK_TRY(file_.read_exact(member.data_begin + offset, out));
  return extend_checksum(index, offset, out);
}

Status MemberReader::extend_checksum(std::size_t index, std::uint64_t offset, Bytes bytes) {
  Progress& progress = progress_[index];
  const ZipMember& member = archive_.members()[index];
  if (unchecked_ || offset > progress.checked || progress.checked - offset >= bytes.size())
    return {};
  const Bytes fresh = bytes.subspan(static_cast<std::size_t>(progress.checked - offset));
  progress.crc32 = extend_crc32(progress.crc32, fresh);
  progress.checked += fresh.size();
  if (progress.checked == member.size && progress.crc32 != member.crc32) {
    return fault(member, fmt::format("its CRC-32 is {:08x}, the archive says {:08x}",
                                     progress.crc32, member.crc32));
  }
  return {};
}

Result<Bytes> MemberReader::inflated(std::size_t index) {
  const auto found = places_.find(index);
  if (found != places_.end()) {
    inflated_.splice(inflated_.end(), inflated_, found->second);
    return Bytes(inflated_.back().bytes);
  }
  const ZipMember& member = archive_.members()[index];
  WPACK_TRY(check_budget(member));
  make_room(member.size + member.stored_size);
  Inflated entry{index, std::vector<std::byte>(static_cast<std::size_t>(member.size))};
  WPACK_TRY(inflate(member, entry.bytes));
  inflated_size_ += kept_size(entry);
  inflated_.push_back(std::move(entry));
  places_.emplace(index, std::prev(inflated_.end()));
  return Bytes(inflated_.back().bytes);
}

// Small members take more in the lists than for their bytes.
std::uint64_t MemberReader::kept_size(const Inflated& entry) {
  constexpr std::uint64_t kOverhead = 160;  // of the allocations, and of the rows that find it
  return kOverhead + entry.bytes.size();
}

void MemberReader::make_room(std::uint64_t needed) {
  while (!inflated_.empty() && inflated_size_ + needed > inflate_budget_) {
    inflated_size_ -= kept_size(inflated_.front());
    places_.erase(inflated_.front().member);
    inflated_.pop_front();
  }
}

Status MemberReader::inflate(const ZipMember& member, MutableBytes out) {
  if (!work_.spend(member.size + member.stored_size)) {  // no overflow: both fit the budget
    return Error(ErrorCode::kLimit,
                 fmt::format("{}: zip archive: deflated members are read in an order that inflates "
                             "them again and again",
                             file_.label()));
  }
  std::vector<std::byte> stored(static_cast<std::size_t>(member.stored_size));
  WPACK_TRY(file_.read_exact(member.data_begin, stored));
  if (decompressor_ == nullptr) decompressor_.reset(libdeflate_alloc_decompressor());
  if (decompressor_ == nullptr)
    return Error(ErrorCode::kLimit, fmt::format("{}: no memory to inflate", file_.label()));
  std::size_t read_size = 0;
  std::size_t size = 0;
  const auto result = libdeflate_deflate_decompress_ex(
      decompressor_.get(), stored.data(), stored.size(), out.data(), out.size(), &read_size, &size);
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE ||
      (result == LIBDEFLATE_SUCCESS && (size != out.size() || read_size != stored.size())))
    return fault(member, fmt::format("it does not inflate to the {} bytes it should", out.size()));
  if (result != LIBDEFLATE_SUCCESS) return fault(member, "its deflated data is damaged");
  const std::uint32_t crc = extend_crc32(0, out);
  if (!unchecked_ && crc != member.crc32) {
    return fault(member,
                 fmt::format("its CRC-32 is {:08x}, the archive says {:08x}", crc, member.crc32));
  }
  progress_[position(member)].checked = member.size;
  return {};
}

Result<std::vector<std::byte>> MemberReader::read_whole(const ZipMember& member) {
  WPACK_TRY(check_budget(member));
  std::vector<std::byte> bytes(static_cast<std::size_t>(member.size));
  if (member.deflated) {
    make_room(member.size + member.stored_size);
    WPACK_TRY(inflate(member, bytes));
  } else {
    WPACK_TRY(read(member, 0, bytes));
  }
  return bytes;
}

Status MemberReader::go_on(const KeepGoing& keep_going) const {
  if (!keep_going || keep_going()) return {};
  return Error(ErrorCode::kCancelled, fmt::format("{}: cancelled", file_.label()));
}

Status MemberReader::finish_stored(std::size_t index, MutableBytes buffer,
                                   const KeepGoing& keep_going) {
  const ZipMember& member = archive_.members()[index];
  if (unchecked_) return {};
  if (member.size == 0 && member.crc32 != 0)
    return fault(member, "it is empty, its CRC-32 is not 0");
  while (progress_[index].checked < member.size) {
    const std::uint64_t offset = progress_[index].checked;
    const MutableBytes piece = buffer.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), member.size - offset)));
    WPACK_TRY(read(member, offset, piece));
    WPACK_TRY(go_on(keep_going));
  }
  return {};
}

Status MemberReader::finish(const KeepGoing& keep_going) {
  WPACK_TRY(check_unchanged());
  const auto members = archive_.members();
  std::uint64_t largest = 0;
  for (const ZipMember& member : members) largest = std::max(largest, member.size);
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(largest, kFinishBuffer)));
  for (std::size_t index = 0; index < members.size(); ++index) {
    if (!members[index].deflated) {
      WPACK_TRY(finish_stored(index, buffer, keep_going));
    } else if (progress_[index].checked < members[index].size || members[index].size == 0) {
      WPACK_TRY(read_whole(members[index]));  // nobody reads it again: it is not kept
      WPACK_TRY(go_on(keep_going));
    }
  }
  return check_unchanged();
}

}  // namespace wpack::import
