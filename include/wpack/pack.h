// Packing: a TensorSource becomes a container.
//
// Determinism: the same source, options and wpack version give the same bytes, on any processor.
// Memory: up to about 32 MiB of buffers plus the index, whatever the size of the source.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"
#include "wpack/tensor_source.h"
#include "wpack/types.h"
#include "wpack/use_order.h"

namespace wpack {

struct PackOptions {
  // A shard is closed before a layer would push it past this many bytes; a layer that is larger
  // gets a larger shard of its own. 64 KiB to 2^48.
  std::uint64_t shard_size = std::uint64_t{4} << 30;
  // Raw bytes of one chunk, the unit of checksums, as a power of two: 16 (64 KiB) to 26 (64 MiB).
  std::uint8_t chunk_log2 = 20;
  // Tensors whose name matches none of `include` (if there is any) or one of `exclude` are left
  // out. `*` matches any run of bytes, dots too, `?` one byte; everything else stands for itself.
  std::vector<std::string> include = {};
  std::vector<std::string> exclude = {};
  // Replaces the built-in rules that find layers in names. Dotted segments, matched from the
  // start of a name: `N` is a decimal number, `**` any number of segments, other segments may
  // hold `*` and `?`. "decoder.blocks.N" makes layers decoder.blocks.0, decoder.blocks.1, ...
  // Tensors that match none fall into the layer of their module (the name up to its last dot).
  std::vector<std::string> layer_patterns = {};
  // Lays these layers out first, in this order (Container::use_order). A layer that the source does
  // not have, or that is named twice, is refused (kInvalidArgument).
  UseOrder use_order = {};
  // Replace an existing container (atomically; readers of the old one keep it).
  bool replace = false;
  ProgressCallback progress = {};
};

// One tensor of a plan.
struct PlannedTensor {
  std::uint64_t source_index = 0;  // in SourceDescription::tensors
  // The tensor of the same plan whose bytes this one shares in the source, or kNotAlias.
  static constexpr std::uint64_t kNotAlias = ~std::uint64_t{0};
  std::uint64_t alias_of = kNotAlias;
  std::uint64_t alias_offset = 0;  // bytes from the first byte of alias_of
};

// A layer of a plan, in the order of use: tensors [tensor_begin, tensor_end) of PackPlan::tensors.
struct PlannedLayer {
  std::string name;
  std::uint64_t tensor_begin = 0;
  std::uint64_t tensor_end = 0;
  std::uint64_t estimated_size = 0;  // bytes with padding, before equal content is found
  std::uint32_t shard = 0;
};

// What pack() will write, before it has seen a byte of payload. Sizes are estimates: content that
// turns out to be equal is stored once.
struct PackPlan {
  std::vector<PlannedTensor> tensors;  // in the order of use
  std::vector<PlannedLayer> layers;
  std::uint32_t shard_count = 0;
  std::uint64_t payload_bytes = 0;    // of all tensors that are read, aliases excluded
  std::uint64_t estimated_bytes = 0;  // of all shard files
  std::uint64_t excluded_count = 0;   // tensors that include/exclude left out
};

// Plans the layout; a pure function of its arguments.
// Errors: kInvalidArgument (an option is out of range, a pattern is malformed, a pattern matches
// no tensor), kLimit (more tensors, metadata or bytes than the format holds, or tensors that share
// more bytes in part than verify() checks).
[[nodiscard]] WPACK_EXPORT Result<PackPlan> plan_pack(const SourceDescription& source,
                                                      const PackOptions& options = {});

// What pack() wrote.
struct PackReport {
  Uuid uuid;
  std::uint64_t tensor_count = 0;
  std::uint64_t alias_count = 0;  // tensors tied in the source
  std::uint64_t layer_count = 0;
  std::uint64_t shard_count = 0;
  std::uint64_t payload_bytes = 0;    // read from the source
  std::uint64_t shared_bytes = 0;     // of those, not stored again because equal bytes were
  std::uint64_t container_bytes = 0;  // all files
  std::uint64_t excluded_count = 0;
  std::vector<std::string> swept;  // leavings of earlier runs that were removed
  // What is left of a replaced container, beside the new one: all of it while programs that opened
  // it may still open its shards. A later pack() to the same path sweeps it.
  std::optional<std::string> kept;
};

// Writes `source` as the container `path` (a directory that must not exist, unless
// options.replace). The container is complete under its name or absent, whatever happens: it is
// written beside its target under a temporary name, synced, re-opened with the reader's own
// validation, and renamed.
// Errors: those of plan_pack and of the source; kIo (a system call failed, the target exists or is
// read-only), kLimit (disk full, quota), kUnsupportedHost (replacing where the file system cannot
// exchange two names), kCancelled. On any error nothing is left behind, with one exception: when
// nothing but the fsync of the parent directory failed, the container is complete under its name,
// a replaced one is kept beside it, and a power cut may undo the change.
[[nodiscard]] WPACK_EXPORT Result<PackReport> pack(TensorSource& source, const std::string& path,
                                                   const PackOptions& options = {});

}  // namespace wpack
