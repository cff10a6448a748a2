// The three stages that turn a planned source into shard files: the calling thread reads, one
// thread hashes, one thread writes. A fixed set of buffers goes round between them. A source that
// fits into one buffer is read, hashed and written by the calling thread alone.
#pragma once

#include <cstdint>
#include <vector>

#include "os/unique_fd.h"
#include "pack/shard_writer.h"
#include "wpack/pack.h"

namespace wpack::packing {

struct PipelineResult {
  WrittenShards written;
  std::vector<std::uint32_t> extent_of;    // by planned tensor; none where it has no bytes
  std::vector<std::uint64_t> hash_of;      // by planned tensor: XXH3-64 of its logical bytes
  std::vector<std::uint32_t> attachments;  // extent of each attachment, none for an empty one
};

// Reads, hashes and writes everything that `plan` lists. Returns when all threads have ended.
// Errors: the first of any stage; kCancelled when options.progress said so.
[[nodiscard]] Result<PipelineResult> run_pipeline(TensorSource& source, const PackPlan& plan,
                                                  const PackOptions& options,
                                                  const os::UniqueFd& directory,
                                                  const std::string& label);

}  // namespace wpack::packing
