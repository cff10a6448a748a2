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
  view_hashes_.clear();
  for (std::size_t i = 0; i < views_.size(); ++i) view_hashes_.emplace_back(StreamHash::Width::k64);
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
  const ByteRange seen = {position_, position_ + piece.size()};
  for (std::size_t i = 0; i < views_.size(); ++i) {
    const std::uint64_t begin = std::max(views_[i].range.begin, seen.begin);
    const std::uint64_t end = std::min(views_[i].range.end, seen.end);
    if (begin < end) view_hashes_[i].update(piece.subspan(begin - seen.begin, end - begin));
  }
}

ExtentHashes ExtentHasher::finish() {
  if (chunk_fill_ > 0) hashes_.chunks.push_back(chunk_hash_.digest64());
  hashes_.logical = logical_hash_.digest64();
  for (std::size_t i = 0; i < views_.size(); ++i)
    hashes_.views.push_back({views_[i].tensor, view_hashes_[i].digest64()});
  StreamHash key(StreamHash::Width::k128);
  key.update(std::as_bytes(std::span(hashes_.chunks)));
  key.update(std::as_bytes(std::span(&hashes_.logical, 1)));
  hashes_.key = key.digest128();
  return std::move(hashes_);
}

}  // namespace wpack::packing
