#include "load/tensor_hasher.h"

#include <algorithm>
#include <tuple>

namespace wpack::load {

std::vector<TensorRange> group_by_range(const format::Index& index,
                                        std::span<const std::uint32_t> tensors) {
  std::vector<TensorRange> ranges;
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const format::TensorRow row = index.tensors()[tensors[i]];
    const ByteRange raw{row.byte_offset, row.byte_offset + row.nbytes};
    if (ranges.empty() || ranges.back().raw != raw) ranges.push_back({raw, i, 0});
    ++ranges.back().count;
  }
  return ranges;
}

std::vector<std::uint32_t> tensors_by_place(const format::Index& index) {
  std::vector<std::uint32_t> tensors;
  tensors.reserve(index.tensors().size());
  for (std::uint32_t i = 0; i < index.tensors().size(); ++i) {
    if (index.tensors()[i].nbytes > 0) tensors.push_back(i);
  }
  std::ranges::stable_sort(tensors, {}, [&](std::uint32_t id) {
    const format::TensorRow row = index.tensors()[id];
    return std::tuple(row.extent, row.byte_offset, row.nbytes);
  });
  return tensors;
}

void TensorHasher::reset(std::span<const TensorRange> ranges) {
  ranges_ = ranges;
  next_ = 0;
  deferred_.clear();
  for (const Active& active : active_) idle_.push_back(active.hasher);
  active_.clear();
}

void TensorHasher::begin_chunk(ByteRange raw) {
  chunk_ = raw;
  at_ = raw.begin;
  finished_.clear();
  whole_.clear();
}

void TensorHasher::update(Bytes bytes) {
  const std::uint64_t end = at_ + bytes.size();
  for (Active& active : active_) feed(active, bytes, at_);
  for (; next_ < ranges_.size() && ranges_[next_].raw.begin < end; ++next_) {
    const TensorRange& range = ranges_[next_];
    if (range.raw == chunk_) {
      whole_.push_back(range);
    } else if (active_.size() == kMaxActive) {
      deferred_.push_back(range);
    } else {
      start(range);
      feed(active_.back(), bytes, at_);
    }
  }
  at_ = end;
}

std::span<const TensorHasher::Result> TensorHasher::end_chunk(std::uint64_t chunk_hash,
                                                              bool damaged) {
  for (const TensorRange& range : whole_) {
    if (!damaged) finished_.push_back({range, chunk_hash});
  }
  std::erase_if(active_, [&](Active& active) {
    active.damaged = active.damaged || damaged;
    if (active.range.raw.end > at_) return false;
    if (!active.damaged) finished_.push_back({active.range, hashers_[active.hasher].digest64()});
    idle_.push_back(active.hasher);
    return true;
  });
  return finished_;
}

void TensorHasher::start(const TensorRange& range) {
  if (idle_.empty()) {
    hashers_.emplace_back(format::StreamHash::Width::k64);
    idle_.push_back(hashers_.size() - 1);
  }
  active_.push_back({range, idle_.back(), false});
  hashers_[idle_.back()].reset();
  idle_.pop_back();
}

void TensorHasher::feed(Active& active, Bytes bytes, std::uint64_t begin) {
  const std::uint64_t from = std::max(active.range.raw.begin, begin);
  const std::uint64_t to = std::min(active.range.raw.end, begin + bytes.size());
  if (from < to) hashers_[active.hasher].update(bytes.subspan(from - begin, to - from));
}

}  // namespace wpack::load
