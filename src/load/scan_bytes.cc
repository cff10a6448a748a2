#include "load/scan_bytes.h"

#include <algorithm>
#include <utility>

#include "load/engine_policy.h"

namespace wpack::load {
namespace {

// Stays in the processor's cache between copying and hashing.
constexpr std::uint64_t kMaxBufferSize = std::uint64_t{256} << 10;

// Enough for the largest shard, so that a small container costs little.
std::uint64_t buffer_size(const format::Index& index) {
  std::uint64_t largest = 0;
  for (std::uint32_t i = 0; i < index.shards().size(); ++i)
    largest = std::max(largest, index.shards()[i].file_size);
  return std::min(largest, kMaxBufferSize);
}

}  // namespace

ScanBytes::ScanBytes(const OpenedIndex& index, ScanReading reading)
    : index_(index), reading_(std::move(reading)), buffer_(buffer_size(index.file.index)) {}

void ScanBytes::open(os::File file, std::uint64_t size) {
  file_ = std::move(file);
  file_size_ = size;
  window_ = {};
  read_in_.reset();
  region_ = {};
  if (reading_.map_threads == 0 || !os::MappedRegion::can_populate()) return;
  if (reading_.may_map && !reading_.may_map(file_)) return;
  auto region = os::MappedRegion::map(file_.fd(), size);
  if (!region) return;
  region_ = *std::move(region);
  read_in_.emplace(region_, reading_.map_threads, counters_);
}

Result<Bytes> ScanBytes::next(std::uint64_t offset, std::uint64_t max_size) {
  if (const Bytes mapped = next_mapped(offset, max_size); !mapped.empty()) return mapped;
  if (offset < window_.begin || offset >= window_.end) {
    window_ = {};
    const std::uint64_t rest = file_size_ > offset ? file_size_ - offset : 1;
    const std::uint64_t size = std::min<std::uint64_t>(buffer_.size(), rest);
    WPACK_TRY(file_.read_exact(offset, MutableBytes(buffer_).first(size)));
    window_ = {offset, offset + size};
  }
  const std::uint64_t size = std::min(max_size, window_.end - offset);
  return Bytes(buffer_).subspan(offset - window_.begin, size);
}

Bytes ScanBytes::next_mapped(std::uint64_t offset, std::uint64_t max_size) {
  const std::uint64_t end = region_.bytes().size();
  if (offset < end) {
    const std::uint64_t size = std::min({max_size, end - offset, kReadInPieceSize});
    if (read_in_->wait_for({offset, offset + size})) return region_.bytes().subspan(offset, size);
  }
  // Reading says what is wrong, and where, also behind the end.
  read_in_.reset();
  region_ = {};
  return {};
}

Bytes ScanBytes::filler(std::uint64_t max_size) const noexcept {
  return Bytes(buffer_).first(std::min<std::uint64_t>(buffer_.size(), max_size));
}

}  // namespace wpack::load
