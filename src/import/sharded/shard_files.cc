#include "import/sharded/shard_files.h"

#include <fmt/format.h>

#include <algorithm>

#include "wpack/text.h"

namespace wpack::import {

std::string Folder::label() const { return escape_name(path_); }

std::string Folder::label(const std::string& name) const {
  if (path_.empty() || path_ == ".") return escape_name(name);
  return escape_name(fmt::format("{}{}{}", path_, path_.ends_with('/') ? "" : "/", name));
}

Result<os::File> Folder::open(const std::string& name) const {
  return os::File::open_read_in(directory_, name, label(name));
}

Result<os::File> Folder::reopen(const std::string& name, const os::FileIdentity& identity) const {
  WPACK_ASSIGN(os::File file, open(name));
  WPACK_ASSIGN(const os::FileIdentity now, file.identity());
  if (now == identity) return file;
  return Error(ErrorCode::kIo, fmt::format("{}: changed while it was read", file.label()));
}

void ShardFiles::add(std::string name, std::unique_ptr<FileSource> source) {
  make_room();
  open_.push_back(shards_.size());
  shards_.push_back({std::move(name), std::move(source)});
}

Result<FileSource*> ShardFiles::use(std::size_t shard) {
  FileSource* const source = shards_[shard].source.get();
  if (!open_.empty() && open_.back() != shard) shards_[open_.back()].source->drop_caches();
  const auto at = std::ranges::find(open_, shard);
  if (at != open_.end()) {
    open_.erase(at);
  } else {
    make_room();
    WPACK_ASSIGN(source->file(), folder_.reopen(shards_[shard].name, source->identity()));
    source->file().advise_sequential();
  }
  open_.push_back(shard);
  return source;
}

void ShardFiles::make_room() {
  if (open_.size() < kMaxOpen) return;
  shards_[open_.front()].source->file() = os::File();
  open_.pop_front();
}

}  // namespace wpack::import
