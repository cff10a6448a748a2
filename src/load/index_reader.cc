#include "load/index_reader.h"

#include <fmt/format.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/align.h"
#include "format/limits.h"
#include "load/envelope_reader.h"
#include "os/file.h"
#include "os/mapped_region.h"
#include "wpack/text.h"

namespace wpack::load {
namespace {

constexpr std::uint64_t kMaxCopiedBytes = std::uint64_t{4} << 20;
constexpr int kMaxAttempts = 8;  // at a container that is replaced again and again

struct OwnedBytes {
  Bytes bytes;
  std::shared_ptr<const void> owner;
};

Result<OwnedBytes> copy_file(const os::File& file, std::uint64_t size) {
  const std::shared_ptr<std::byte[]> copy(new std::byte[size]);
  WPACK_TRY(file.read_exact(0, {copy.get(), size}));
  return OwnedBytes{{copy.get(), size}, copy};
}

Result<OwnedBytes> load_file(const os::File& file, std::uint64_t size) {
  if (size <= kMaxCopiedBytes) return copy_file(file, size);
  auto region = os::MappedRegion::map(file.fd(), size);
  if (!region) return copy_file(file, size);
  const auto owner = std::make_shared<os::MappedRegion>(*std::move(region));
  // What cannot be read should be an error here, not a signal in the middle of validation.
  if (Status status = owner->populate({0, size}); !status)
    return std::move(status).error().in(file.label());
  return OwnedBytes{owner->bytes(), owner};
}

Error too_large(const std::string& label, std::uint64_t size, std::uint64_t max_bytes) {
  return {ErrorCode::kLimit,
          fmt::format("{}: index of {} bytes is larger than the {} bytes that are allowed", label,
                      size, max_bytes)};
}

// A file that is longer than it was written is damaged, not too large.
Error large_file(const os::File& file, std::uint64_t size, std::uint64_t max_bytes) {
  auto envelope = read_envelope(file);
  if (!envelope) return std::move(envelope).error();
  return too_large(file.label(), size - format::kEnvelopeSize, max_bytes);
}

Result<os::UniqueFd> open_container_directory(const std::string& path) {
  auto directory = os::open_directory(path);
  if (!directory && directory.error().system_errno() == ENOTDIR) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("{}: is a file, expected a container directory", escape_name(path)));
  }
  return directory;
}

struct HeldIndex {
  os::UniqueFd directory;
  os::File file;
};

// Between two of these calls the container may be replaced, and the old one removed. Once the lock
// is held and the path still leads here, it is not removed any more. Where there are no locks,
// shards that are not open by then are lost with it.
Result<HeldIndex> open_held(const std::string& path, const std::string& index_label) {
  for (int attempt = 1;; ++attempt) {
    WPACK_ASSIGN(os::UniqueFd directory, open_container_directory(path));
    auto file = os::File::open_read_at(directory, format::kIndexFileName, index_label);
    if (file) (void)os::try_lock(file->fd(), os::LockKind::kShared);
    if (!os::leads_to(path, directory) && attempt < kMaxAttempts) continue;
    if (!file) return std::move(file).error();
    return HeldIndex{std::move(directory), *std::move(file)};
  }
}

}  // namespace

Error OpenedIndex::named(Error error, std::string_view what) const {
  const std::string& message = error.message();
  const bool named = message.starts_with(label) && message.size() > label.size() &&
                     (message[label.size()] == ':' || message[label.size()] == '/');
  if (named) return error;
  return std::move(error).in(fmt::format("{}: {}", label, what));
}

std::string OpenedIndex::shard_label(std::uint32_t shard) const {
  return fmt::format("{}/{}", label, format::shard_file_name(shard));
}

Result<OpenedIndex> open_index(const std::string& path, std::uint64_t max_bytes) {
  if (max_bytes > format::kMaxIndexSize) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("max_index_bytes of {} is more than the format's {}", max_bytes,
                             format::kMaxIndexSize));
  }
  std::string label = escape_name(path);
  const std::string index_label = fmt::format("{}/{}", label, format::kIndexFileName);
  WPACK_ASSIGN(HeldIndex held, open_held(path, index_label));
  WPACK_ASSIGN(const std::uint64_t size, held.file.size());
  if (size > format::kEnvelopeSize + base::align_up(max_bytes, base::kPageSize))
    return large_file(held.file, size, max_bytes);
  WPACK_ASSIGN(OwnedBytes owned, load_file(held.file, size));
  auto parsed = format::parse_index_file(owned.bytes, std::move(owned.owner));
  if (!parsed) return std::move(parsed).error().in(index_label);
  if (parsed->flatbuffer.size() > max_bytes)
    return too_large(index_label, parsed->flatbuffer.size(), max_bytes);
  return OpenedIndex{std::move(held.directory), std::move(label), *std::move(parsed),
                     std::move(held.file)};
}

}  // namespace wpack::load
