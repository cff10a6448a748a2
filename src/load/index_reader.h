// From a path to a validated index.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "format/index_file.h"
#include "os/file.h"
#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::load {

// A container's directory and index; no shard has been looked at.
struct OpenedIndex {
  os::UniqueFd directory;
  std::string label;  // the path, escaped for messages
  format::IndexFile file;
  // Keeps a replaced container's shards from being removed, by the shared lock that it holds on the
  // index, for as long as shards may still have to be opened.
  os::File hold;

  // "model.wpack/00003.wps", for messages.
  [[nodiscard]] std::string shard_label(std::uint32_t shard) const;
  // Returns `error` with the container's path and `what` was asked for in front, unless it begins
  // with the path: what ends a call anywhere, such as its deadline, does not know where it was.
  [[nodiscard]] Error named(Error error, std::string_view what) const;
};

// Opens the directory `path` and validates its index. If the container is being replaced meanwhile,
// it is the old or the new one, and complete either way. Small indexes are copied, so that nobody
// can change them afterwards; large ones are mapped. Errors: kIo, kIntegrity, kBadInput, kLimit
// (larger than `max_bytes`), with the file's name.
[[nodiscard]] Result<OpenedIndex> open_index(const std::string& path, std::uint64_t max_bytes);

}  // namespace wpack::load
