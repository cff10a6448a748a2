// The extents of a plan in the order in which they are written. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "format/limits.h"
#include "pack/extent_hasher.h"
#include "wpack/pack.h"

namespace wpack::packing {

// One extent to write: a tensor that has bytes of its own, or an attachment.
struct WorkItem {
  bool is_attachment = false;
  std::uint64_t id = 0;  // planned tensor, or attachment of the description
  std::uint64_t size = 0;
  std::vector<ExtentView> views;  // tensors that lie inside it
};

// The items [item_begin, item_end) of one layer.
struct WorkLayer {
  std::uint32_t layer = format::kNone;  // none: attachments
  std::uint32_t shard = 0;
  std::uint64_t shard_estimate = 0;  // bytes that the rest of the shard takes, from here on
  std::uint64_t item_begin = 0;
  std::uint64_t item_end = 0;
};

struct WorkList {
  std::vector<WorkLayer> layers;
  std::vector<WorkItem> items;
};

[[nodiscard]] WorkList make_work_list(const SourceDescription& source, const PackPlan& plan);

}  // namespace wpack::packing
