#include "pack/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>

#include "base/file_name.h"
#include "base/glob.h"
#include "base/natural_order.h"
#include "base/utf8.h"
#include "format/limits.h"
#include "pack/layer_rules.h"
#include "pack/placement.h"
#include "pack/ties.h"
#include "wpack/text.h"

namespace wpack::packing {
namespace {

constexpr std::uint64_t kMinShardSize = std::uint64_t{64} << 10;

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status check_options(const PackOptions& options) {
  if (options.shard_size < kMinShardSize || options.shard_size > format::kMaxFileSize) {
    return invalid(fmt::format("shard size of {} bytes is not between {} and {}",
                               options.shard_size, kMinShardSize, format::kMaxFileSize));
  }
  if (options.chunk_log2 < format::kMinChunkLog2 || options.chunk_log2 > format::kMaxChunkLog2) {
    return invalid(fmt::format("chunk size of 2^{} bytes is not between 2^{} and 2^{}",
                               options.chunk_log2, format::kMinChunkLog2, format::kMaxChunkLog2));
  }
  return {};
}

Status check_tensor(const SourceTensor& tensor) {
  const auto nbytes = tensor_nbytes(tensor.dtype, tensor.shape);
  if (!nbytes || *nbytes != tensor.nbytes) {
    return Error(ErrorCode::kBadInput, fmt::format("tensor '{}' has a size that its shape denies",
                                                   escape_name(tensor.name)));
  }
  if (!base::is_utf8(tensor.name) || tensor.name.find('\0') != std::string::npos) {
    return Error(ErrorCode::kBadInput, fmt::format("tensor '{}' has a name that is not UTF-8 "
                                                   "without NUL",
                                                   escape_name(tensor.name)));
  }
  if (tensor.name.empty() || tensor.name.size() > format::kMaxNameSize ||
      tensor.shape.size() > format::kMaxRank || tensor.nbytes > format::kMaxFileSize / 2) {
    return Error(ErrorCode::kLimit,
                 fmt::format("tensor '{}' is past the format's limits: name of 1 to {} bytes, {} "
                             "dimensions, {} bytes",
                             escape_name(tensor.name), format::kMaxNameSize, format::kMaxRank,
                             format::kMaxFileSize / 2));
  }
  return {};
}

Status check_attachments(const std::vector<SourceAttachment>& attachments) {
  if (attachments.size() > format::kMaxAttachments) {
    return Error(ErrorCode::kLimit, fmt::format("{} attachments, the format allows {}",
                                                attachments.size(), format::kMaxAttachments));
  }
  std::set<std::string_view> names;
  for (const SourceAttachment& attachment : attachments) {
    if (!base::is_attachment_name(attachment.name)) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("attachment '{}' has a name of other than 1 to 255 letters, digits, "
                               ". _ and -, or one that starts with a dot",
                               escape_name(attachment.name)));
    }
    if (!names.insert(attachment.name).second) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("two attachments are called '{}'", attachment.name));
    }
    if (attachment.size > format::kMaxFileSize / 2) {
      return Error(ErrorCode::kLimit,
                   fmt::format("attachment '{}' has {} bytes, the format allows {}",
                               attachment.name, attachment.size, format::kMaxFileSize / 2));
    }
  }
  return {};
}

Status check_metadata(const std::vector<MetadataEntry>& metadata) {
  std::uint64_t size = 0;
  for (const MetadataEntry& entry : metadata) size += entry.key.size() + entry.value.size();
  if (metadata.size() <= format::kMaxMetadata && size <= format::kMaxMetadataText) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{} entries of metadata with {} bytes are past the format's {} and {}",
                           metadata.size(), size, format::kMaxMetadata, format::kMaxMetadataText));
}

// Tells which tensors are wanted, and that every pattern was of use.
class NameFilter {
 public:
  NameFilter(const std::vector<std::string>& include, const std::vector<std::string>& exclude)
      : include_(include), exclude_(exclude), used_(include.size() + exclude.size(), false) {}

  bool wants(std::string_view name) {
    const bool included = include_.empty() || matches(include_, 0, name);
    return !matches(exclude_, include_.size(), name) && included;
  }

  [[nodiscard]] Status check_all_used() const {
    for (std::size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      const bool include = i < include_.size();
      const std::string& pattern = include ? include_[i] : exclude_[i - include_.size()];
      return invalid(fmt::format("{} pattern '{}' matches no tensor",
                                 include ? "include" : "exclude", escape_name(pattern)));
    }
    return {};
  }

 private:
  bool matches(const std::vector<std::string>& patterns, std::size_t first, std::string_view name) {
    bool any = false;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      if (!base::glob_matches(patterns[i], name)) continue;
      used_[first + i] = true;
      any = true;
    }
    return any;
  }

  const std::vector<std::string>& include_;
  const std::vector<std::string>& exclude_;
  std::vector<bool> used_;
};

struct LayerGroup {
  std::string name;
  std::vector<std::uint64_t> tensors = {};  // indices into the source
  LayerStage stage = LayerStage::kBlocks;
};

Result<std::vector<LayerGroup>> group_layers(const SourceDescription& source,
                                             const PackOptions& options,
                                             std::uint64_t& excluded_count) {
  WPACK_ASSIGN(const LayerRules rules, LayerRules::create(options.layer_patterns));
  NameFilter filter(options.include, options.exclude);
  std::vector<LayerGroup> groups;
  std::unordered_map<std::string_view, std::size_t> group_of;
  for (std::uint64_t i = 0; i < source.tensors.size(); ++i) {
    const SourceTensor& tensor = source.tensors[i];
    if (!filter.wants(tensor.name)) {
      ++excluded_count;
      continue;
    }
    WPACK_TRY(check_tensor(tensor));
    const std::string_view layer = rules.layer_of(tensor.name);
    const auto [at, is_new] = group_of.try_emplace(layer, groups.size());
    if (is_new) groups.push_back({.name = std::string(layer)});
    groups[at->second].tensors.push_back(i);
  }
  WPACK_TRY(filter.check_all_used());
  return groups;
}

// Files that sort by name say nothing about use: embeddings, blocks, norms, heads, and natural
// order within each.
void order_by_names(const SourceDescription& source, std::vector<LayerGroup>& groups) {
  // Finding the stage looks at the whole name many times: once for each layer, not for each pair.
  for (LayerGroup& group : groups) group.stage = stage_of_layer(group.name);
  std::ranges::sort(groups, [](const LayerGroup& a, const LayerGroup& b) {
    return a.stage != b.stage ? a.stage < b.stage : base::natural_compare(a.name, b.name) < 0;
  });
  for (LayerGroup& group : groups) {
    std::ranges::sort(group.tensors, [&](std::uint64_t a, std::uint64_t b) {
      return base::natural_compare(source.tensors[a].name, source.tensors[b].name) < 0;
    });
  }
}

// Moves the layers of a recorded order to the front.
Status apply_use_order(const UseOrder& order, std::vector<LayerGroup>& groups) {
  if (order.layers.empty()) return {};
  std::unordered_map<std::string_view, std::size_t> positions;
  for (const std::string& name : order.layers) {
    if (!positions.try_emplace(name, positions.size()).second) {
      return invalid(fmt::format("the use order names the layer '{}' twice", escape_name(name)));
    }
  }
  const auto position = [&](const LayerGroup& group) {
    const auto found = positions.find(group.name);
    return found == positions.end() ? positions.size() : found->second;
  };
  // Not std::ranges: see write_order().
  std::stable_sort(groups.begin(), groups.end(), [&](const LayerGroup& a, const LayerGroup& b) {
    return position(a) < position(b);
  });
  for (std::size_t i = 0; i < order.layers.size(); ++i) {
    if (i < groups.size() && groups[i].name == order.layers[i]) continue;
    return invalid(fmt::format("the use order names the layer '{}', which the source does not have",
                               escape_name(order.layers[i])));
  }
  return {};
}

PackPlan plan_of_groups(std::vector<LayerGroup> groups) {
  PackPlan plan;
  for (LayerGroup& group : groups) {
    PlannedLayer layer;
    layer.name = std::move(group.name);
    layer.tensor_begin = plan.tensors.size();
    for (const std::uint64_t index : group.tensors) {
      PlannedTensor tensor;
      tensor.source_index = index;
      plan.tensors.push_back(tensor);
    }
    layer.tensor_end = plan.tensors.size();
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

// Simulates the writer: the same cursor, without the equal content that it may find.
Status assign_shards(const SourceDescription& source, const PackOptions& options, PackPlan& plan) {
  ShardCursor cursor;
  std::uint32_t shard = 0;
  bool used = false;
  for (PlannedLayer& layer : plan.layers) {
    ShardCursor attempt = cursor;
    attempt.start_layer();
    const std::uint64_t begin = attempt.position;
    const std::vector<std::uint64_t> order = write_order(source, plan, layer);
    const auto place_all = [&](ShardCursor& at) {
      for (const std::uint64_t tensor : order)
        (void)at.place(source.tensors[plan.tensors[tensor].source_index].nbytes);
    };
    place_all(attempt);
    if (used && !order.empty() && attempt.position > options.shard_size) {
      plan.estimated_bytes += base::align_up(cursor.position, base::kPageSize);
      ++shard;
      attempt = ShardCursor{};
      place_all(attempt);
      layer.estimated_size = attempt.position - format::kEnvelopeSize;
    } else {
      layer.estimated_size = order.empty() ? 0 : attempt.position - begin;
    }
    layer.shard = shard;
    if (order.empty()) continue;
    used = true;
    cursor = attempt;
    if (cursor.position > format::kMaxFileSize || shard >= format::kMaxShards) {
      return Error(ErrorCode::kLimit,
                   fmt::format("layer '{}' does not fit into the format's {} "
                               "shards of {} bytes",
                               escape_name(layer.name), format::kMaxShards, format::kMaxFileSize));
    }
  }
  if (used) plan.estimated_bytes += base::align_up(cursor.position, base::kPageSize);
  plan.shard_count = used ? shard + 1 : 0;
  return {};
}

}  // namespace

std::vector<std::uint64_t> write_order(const SourceDescription& source, const PackPlan& plan,
                                       const PlannedLayer& layer) {
  std::vector<std::uint64_t> order;
  const auto nbytes = [&](std::uint64_t tensor) {
    return source.tensors[plan.tensors[tensor].source_index].nbytes;
  };
  for (std::uint64_t i = layer.tensor_begin; i < layer.tensor_end; ++i) {
    if (plan.tensors[i].alias_of == PlannedTensor::kNotAlias && nbytes(i) > 0) order.push_back(i);
  }
  // Not std::ranges: clang 14 does not compile libstdc++ 12's subrange that it returns.
  std::stable_partition(order.begin(), order.end(),
                        [&](std::uint64_t tensor) { return nbytes(tensor) < kSmallExtent; });
  return order;
}

}  // namespace wpack::packing

namespace wpack {

Result<PackPlan> plan_pack(const SourceDescription& source, const PackOptions& options) {
  WPACK_TRY(packing::check_options(options));
  WPACK_TRY(packing::check_attachments(source.attachments));
  WPACK_TRY(packing::check_metadata(source.metadata));
  std::uint64_t excluded_count = 0;
  WPACK_ASSIGN(std::vector<packing::LayerGroup> groups,
               packing::group_layers(source, options, excluded_count));
  if (groups.empty()) return Error(ErrorCode::kBadInput, "there is no tensor to pack");
  if (source.order == SourceOrder::kName) packing::order_by_names(source, groups);
  WPACK_TRY(packing::apply_use_order(options.use_order, groups));
  PackPlan plan = packing::plan_of_groups(std::move(groups));
  plan.excluded_count = excluded_count;
  if (plan.tensors.size() > format::kMaxTensors || plan.layers.size() > format::kMaxLayers) {
    return Error(
        ErrorCode::kLimit,
        fmt::format("{} tensors in {} layers are past the format's {} and {}", plan.tensors.size(),
                    plan.layers.size(), format::kMaxTensors, format::kMaxLayers));
  }
  packing::find_ties(source.tensors, plan.tensors);
  WPACK_TRY(packing::assign_shards(source, options, plan));
  for (const PlannedTensor& tensor : plan.tensors) {
    if (tensor.alias_of == PlannedTensor::kNotAlias)
      plan.payload_bytes += source.tensors[tensor.source_index].nbytes;
  }
  WPACK_TRY(packing::check_overlap(packing::planned_places(source.tensors, plan.tensors),
                                   plan.payload_bytes));
  return plan;
}

}  // namespace wpack
