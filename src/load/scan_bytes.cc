#include "load/scan_bytes.h"

#include <algorithm>
#include <utility>

#include "load/engine_policy.h"
#include "load/read_in.h"
#include "load/read_planner.h"

namespace wpack::load {
namespace {

// Stays in the processor's cache between copying and hashing.
constexpr std::uint64_t kMaxBufferSize = std::uint64_t{256} << 10;

// So much that the threads rarely wait for each other, and so little that it is still in memory
// when it is hashed.
constexpr std::uint64_t kReadInSize = 8 * kReadInPieceSize;

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

void ScanBytes::open(os::File file, std::uint32_t number, std::uint64_t size) {
  file_ = std::move(file);
  file_size_ = size;
  window_ = {};
  mapped_ = {};
  if (reading_.map_threads == 0 || !os::MappedRegion::can_populate()) return;
  if (reading_.may_map && !reading_.may_map(file_)) return;
  auto region = os::MappedRegion::map(file_.fd(), size);
  if (!region) return;
  mapped_.number = number;
  mapped_.region = *std::move(region);
  mapped_.reading.choice.depth = reading_.map_threads;
}

Result<Bytes> ScanBytes::next(std::uint64_t offset, std::uint64_t max_size) {
  if (offset < window_.begin || offset >= window_.end) {
    window_ = {};
    if (!read_in_from(offset)) {
      const std::uint64_t rest = file_size_ > offset ? file_size_ - offset : 1;
      const std::uint64_t size = std::min<std::uint64_t>(buffer_.size(), rest);
      WPACK_TRY(file_.read_exact(offset, MutableBytes(buffer_).first(size)));
      window_ = {offset, offset + size};
    }
  }
  const std::uint64_t size = std::min(max_size, window_.end - offset);
  const Bytes mapped = mapped_.region.bytes();
  return mapped.empty() ? Bytes(buffer_).subspan(offset - window_.begin, size)
                        : mapped.subspan(offset, size);
}

Bytes ScanBytes::filler(std::uint64_t max_size) const noexcept {
  return Bytes(buffer_).first(std::min<std::uint64_t>(buffer_.size(), max_size));
}

bool ScanBytes::read_in_from(std::uint64_t offset) {
  const std::uint64_t size = mapped_.region.bytes().size();
  if (offset >= size) {
    mapped_.region = {};  // only reading says what lies behind its end
    return false;
  }
  const ByteRange window{offset, std::min(size, offset + kReadInSize)};
  std::vector<MappedPiece> pieces;
  for (const ByteRange piece : split_into_pieces(window, kReadInPieceSize))
    pieces.push_back({&mapped_, piece});
  if (!read_in(index_, pieces, {}, counters_)) {
    mapped_.region = {};  // reading says what is wrong, and where
    return false;
  }
  window_ = window;
  return true;
}

}  // namespace wpack::load
