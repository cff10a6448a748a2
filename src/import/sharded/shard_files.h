// The files of a folder that make one source: many, of which few are open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "import/file_source.h"
#include "os/file.h"
#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::import {

// A folder whose files are opened by plain names. Links in it are followed, as those of a Hugging
// Face cache must be: the user named the folder.
class Folder {
 public:
  // `path` is the folder's, as messages print it.
  Folder(os::UniqueFd directory, std::string path)
      : directory_(std::move(directory)), path_(std::move(path)) {}

  [[nodiscard]] const os::UniqueFd& fd() const noexcept { return directory_; }
  // What messages call the folder, and a file in it (escaped for a terminal).
  [[nodiscard]] std::string label() const;
  [[nodiscard]] std::string label(const std::string& name) const;
  [[nodiscard]] Result<os::File> open(const std::string& name) const;
  // The same for a file that was open before. Errors: also kIo, when it is not that file any more.
  [[nodiscard]] Result<os::File> reopen(const std::string& name,
                                        const os::FileIdentity& identity) const;

 private:
  os::UniqueFd directory_;
  std::string path_;
};

// The shards of a source, at most eight of them with an open file, and one with caches: a process
// may have few descriptors and little memory, and models have more than a thousand files.
//
// Thread safety: one thread at a time.
class ShardFiles {
 public:
  static constexpr std::size_t kMaxOpen = 8;

  // `folder` outlives the object.
  explicit ShardFiles(const Folder& folder) : folder_(folder) {}

  [[nodiscard]] std::size_t size() const noexcept { return shards_.size(); }
  [[nodiscard]] const std::string& name(std::size_t shard) const { return shards_[shard].name; }

  // Takes over `source`, which has its file open, as the next shard.
  void add(std::string name, std::unique_ptr<FileSource> source);
  // Returns shard `shard` with its file open; what the one before keeps of its file is dropped.
  // Errors: those of Folder::reopen.
  [[nodiscard]] Result<FileSource*> use(std::size_t shard);

 private:
  struct Shard {
    std::string name;
    std::unique_ptr<FileSource> source;
  };
  void make_room();

  const Folder& folder_;
  std::vector<Shard> shards_;
  std::deque<std::size_t> open_;  // least recently used first, at the end the one with caches
};

}  // namespace wpack::import
