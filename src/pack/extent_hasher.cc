#include "pack/extent_hasher.h"

#include <algorithm>
#include <span>
#include <utility>

namespace wpack::packing {

using format::StreamHash;

ExtentHasher::ExtentHasher(std::uint8_t chunk_log2)
    : chunk_size_(std::uint64_t{1} << chunk_log2),
      chunk_hash_(StreamHash::Width::k64),
      logical_hash_(StreamHash::Width::k64) {}

void ExtentHasher::start(std::vector<ExtentView> views) {
  chunk_hash_.reset();
  logical_hash_.reset();
  position_ = 0;
  chunk_fill_ = 0;
  hashes_ = {};
  views_ = std::move(views);
  std::ranges::stable_sort(views_, {}, [](const ExtentView& view) {
    return std::pair(view.range.begin, view.range.end);
  });
  next_view_ = 0;
}

void ExtentHasher::update(Bytes piece) {
  logical_hash_.update(piece);
  update_chunks(piece);
  update_views(piece);
  position_ += piece.size();
}

void ExtentHasher::update_chunks(Bytes piece) {
  while (!piece.empty()) {
    const Bytes part =
        piece.first(std::min<std::uint64_t>(piece.size(), chunk_size_ - chunk_fill_));
    piece = piece.subspan(part.size());
    if (part.size() == chunk_size_) {
      hashes_.chunks.push_back(format::hash64(part));
      continue;
    }
    chunk_hash_.update(part);
    chunk_fill_ += part.size();
    if (chunk_fill_ < chunk_size_) continue;
    hashes_.chunks.push_back(chunk_hash_.digest64());
    chunk_hash_.reset();
    chunk_fill_ = 0;
  }
}

void ExtentHasher::update_views(Bytes piece) {
  const std::uint64_t end = position_ + piece.size();
  while (next_view_ < views_.size() && views_[next_view_].range.begin < end) begin_range();
  std::erase_if(active_, [&](const Active& active) {
    feed(active, piece);
    if (views_[active.first].range.end > end) return false;
    end_range(active);
    return true;
  });
}

void ExtentHasher::begin_range() {
  if (idle_.empty()) {
    idle_.push_back(hashers_.size());
    hashers_.emplace_back(StreamHash::Width::k64);
  }
  Active active{next_view_, next_view_, idle_.back()};
  idle_.pop_back();
  hashers_[active.hasher].reset();
  const ByteRange range = views_[next_view_].range;
  while (active.last < views_.size() && views_[active.last].range == range) ++active.last;
  next_view_ = active.last;
  active_.push_back(active);
}

void ExtentHasher::feed(const Active& active, Bytes piece) {
  const ByteRange range = views_[active.first].range;
  const std::uint64_t begin = std::max(range.begin, position_);
  const std::uint64_t end = std::min(range.end, position_ + piece.size());
  hashers_[active.hasher].update(piece.subspan(begin - position_, end - begin));
}

void ExtentHasher::end_range(const Active& active) {
  const std::uint64_t hash = hashers_[active.hasher].digest64();
  for (std::size_t i = active.first; i < active.last; ++i)
    hashes_.views.push_back({views_[i].tensor, hash});
  idle_.push_back(active.hasher);
}

ExtentHashes ExtentHasher::finish() {
  if (chunk_fill_ > 0) hashes_.chunks.push_back(chunk_hash_.digest64());
  hashes_.logical = logical_hash_.digest64();
  StreamHash key(StreamHash::Width::k128);
  key.update(std::as_bytes(std::span(hashes_.chunks)));
  key.update(std::as_bytes(std::span(&hashes_.logical, 1)));
  hashes_.key = key.digest128();
  return std::move(hashes_);
}

}  // namespace wpack::packing
