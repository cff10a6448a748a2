#include "import/torch/zip_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/checked_math.h"
#include "import/torch/zip_end.h"
#include "import/torch/zip_entry.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

Error bad_zip(const os::File& file, std::string_view cause) {
  return {ErrorCode::kBadInput, fmt::format("{}: zip archive: {}", file.label(), cause)};
}

Error in_member(const os::File& file, const ZipMember& member, Error error) {
  return std::move(error).in(
      fmt::format("{}: zip archive: member '{}'", file.label(), escape_name(member.name)));
}

// Reads many small pieces in ascending order with few system calls where they lie close together.
class AscendingReader {
 public:
  AscendingReader(const os::File& file, std::uint64_t end) : file_(file), end_(end) {}

  // Returns [begin, begin + size), which must lie before `end`; valid until the next call.
  // `next` is where the next piece begins.
  Result<Bytes> read(std::uint64_t begin, std::size_t size, std::uint64_t next) {
    if (begin < window_begin_ || !base::range_within(begin - window_begin_, size, window_.size())) {
      const std::uint64_t wanted = next - begin < kNear ? kNear : kFar;
      window_.resize(
          static_cast<std::size_t>(std::min(std::max<std::uint64_t>(wanted, size), end_ - begin)));
      window_begin_ = begin;
      WPACK_TRY(file_.read_exact(begin, window_));
    }
    return Bytes(window_).subspan(static_cast<std::size_t>(begin - window_begin_), size);
  }

 private:
  static constexpr std::uint64_t kNear = std::uint64_t{64} << 10;
  static constexpr std::uint64_t kFar = 512;

  const os::File& file_;
  std::uint64_t end_;
  std::uint64_t window_begin_ = 0;
  std::vector<std::byte> window_;
};

}  // namespace

Result<ZipArchive> ZipArchive::open(const os::File& file, std::uint64_t file_size,
                                    MemoryMeter& meter) {
  WPACK_ASSIGN(const ZipEnd end, find_zip_end(file, file_size));
  if (end.directory.size() > kMaxDirectorySize || end.entry_count > kMaxMembers) {
    return Error(ErrorCode::kLimit,
                 fmt::format("{}: zip archive: its central directory of {} entries and {} bytes "
                             "is larger than is read",
                             file.label(), end.entry_count, end.directory.size()));
  }
  if (end.entry_count > end.directory.size() / kCentralEntrySize)
    return bad_zip(file, "its central directory is too short for its entries");
  meter.add(end.directory.size() + end.entry_count * (sizeof(ZipMember) + sizeof(std::uint32_t)));
  if (auto status = meter.check(); !status) return std::move(status).error().in(file.label());

  ZipArchive archive;
  archive.directory_.resize(static_cast<std::size_t>(end.directory.size()));
  WPACK_TRY(file.read_exact(end.directory.begin, archive.directory_));
  WPACK_TRY(archive.parse_directory(file, end.entry_count));
  WPACK_TRY(archive.check_local_headers(file, end.directory.begin));
  archive.strip_top_folder();
  WPACK_TRY(archive.remove_directories(file));
  WPACK_TRY(archive.index_names(file));
  return archive;
}

Status ZipArchive::parse_directory(const os::File& file, std::uint64_t entry_count) {
  members_.resize(static_cast<std::size_t>(entry_count));
  Bytes rest = directory_;
  for (ZipMember& member : members_) {
    auto size = parse_central_entry(rest, member);
    if (!size) return bad_zip(file, size.error().message());
    rest = rest.subspan(*size);
  }
  if (!rest.empty()) return bad_zip(file, "its central directory is longer than its entries");
  return {};
}

Status ZipArchive::check_local_headers(const os::File& file, std::uint64_t directory_begin) {
  std::ranges::sort(members_, {}, &ZipMember::header_begin);
  if (members_.empty()) return bad_zip(file, "it has no members");
  if (members_.front().header_begin != 0)
    return bad_zip(file, "something stands before its first member");
  AscendingReader reader(file, directory_begin);
  for (std::size_t i = 0; i < members_.size(); ++i) {
    ZipMember& member = members_[i];
    const std::uint64_t end =
        i + 1 < members_.size() ? members_[i + 1].header_begin : directory_begin;
    if (!base::range_within(member.header_begin, kLocalHeaderSize, directory_begin))
      return in_member(file, member, {ErrorCode::kBadInput, "lies outside the file"});
    WPACK_ASSIGN(const Bytes fixed, reader.read(member.header_begin, kLocalHeaderSize, end));
    const auto size = local_header_size(fixed);
    if (!size) return in_member(file, member, size.error());
    const auto data_begin = base::checked_add(member.header_begin, *size);
    if (!data_begin || *data_begin > end ||
        !base::range_within(*data_begin, member.stored_size, end)) {
      return in_member(file, member,
                       {ErrorCode::kBadInput, "overlaps what follows it or ends outside the file"});
    }
    WPACK_ASSIGN(const Bytes header, reader.read(member.header_begin, *size, end));
    if (auto status = check_local_header(header, member.name, member); !status)
      return in_member(file, member, std::move(status).error());
    member.data_begin = *data_begin;
  }
  return {};
}

void ZipArchive::strip_top_folder() {
  const std::string_view first = members_.front().name;
  const std::string_view folder = first.substr(0, first.find('/') + 1);
  has_top_folder_ =
      !folder.empty() && std::ranges::all_of(members_, [folder](const ZipMember& member) {
        return member.name.starts_with(folder);
      });
  if (!has_top_folder_) return;
  for (ZipMember& member : members_) member.name.remove_prefix(folder.size());
}

Status ZipArchive::remove_directories(const os::File& file) {
  const auto is_directory = [](const ZipMember& member) {
    return member.name.empty() || member.name.back() == '/';
  };
  for (const ZipMember& member : members_) {
    if (is_directory(member) && member.size != 0)
      return in_member(file, member, {ErrorCode::kBadInput, "is a directory that holds bytes"});
  }
  std::erase_if(members_, is_directory);
  return {};
}

Status ZipArchive::index_names(const os::File& file) {
  by_name_.resize(members_.size());
  std::iota(by_name_.begin(), by_name_.end(), std::uint32_t{0});
  const auto name_of = [this](std::uint32_t position) { return members_[position].name; };
  std::ranges::sort(by_name_, {}, name_of);
  const auto twice = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twice != by_name_.end())
    return bad_zip(file, fmt::format("two members are called '{}'", escape_name(name_of(*twice))));
  return {};
}

// No overflow: members lie in the file, one behind the other.
std::uint64_t ZipArchive::stored_size() const noexcept {
  std::uint64_t sum = 0;
  for (const ZipMember& member : members_) sum += member.stored_size;
  return sum;
}

const ZipMember* ZipArchive::find(std::string_view name) const noexcept {
  const auto name_of = [this](std::uint32_t position) { return members_[position].name; };
  const auto found = std::ranges::lower_bound(by_name_, name, {}, name_of);
  if (found == by_name_.end() || name_of(*found) != name) return nullptr;
  return &members_[*found];
}

}  // namespace wpack::import
