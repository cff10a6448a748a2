#include "pack/work_list.h"

#include <algorithm>

#include "base/align.h"
#include "pack/layout.h"

namespace wpack::packing {
namespace {

void add_views(const SourceDescription& source, const PackPlan& plan, WorkList& work) {
  std::vector<WorkItem*> item_of(plan.tensors.size(), nullptr);
  for (WorkItem& item : work.items) item_of[item.id] = &item;
  for (std::uint64_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    if (tensor.alias_of == PlannedTensor::kNotAlias) continue;
    const std::uint64_t begin = tensor.alias_offset;
    const std::uint64_t nbytes = source.tensors[tensor.source_index].nbytes;
    item_of[tensor.alias_of]->views.push_back({i, {begin, begin + nbytes}});
  }
}

void add_attachments(const SourceDescription& source, std::uint32_t shard, WorkList& work) {
  WorkLayer layer;
  layer.shard = shard;
  layer.item_begin = work.items.size();
  for (std::uint64_t i = 0; i < source.attachments.size(); ++i) {
    WorkItem item;
    item.is_attachment = true;
    item.id = i;
    item.size = source.attachments[i].size;
    if (item.size > 0) work.items.push_back(item);
    layer.shard_estimate += base::align_up(item.size, base::kPageSize);
  }
  layer.item_end = work.items.size();
  if (layer.item_end > layer.item_begin) work.layers.push_back(layer);
}

}  // namespace

WorkList make_work_list(const SourceDescription& source, const PackPlan& plan) {
  WorkList work;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    WorkLayer layer;
    layer.layer = static_cast<std::uint32_t>(i);
    layer.shard = plan.layers[i].shard;
    layer.shard_estimate = plan.layers[i].estimated_size;
    layer.item_begin = work.items.size();
    for (const std::uint64_t tensor : write_order(source, plan, plan.layers[i])) {
      WorkItem item;
      item.id = tensor;
      item.size = source.tensors[plan.tensors[tensor].source_index].nbytes;
      work.items.push_back(std::move(item));
    }
    layer.item_end = work.items.size();
    work.layers.push_back(layer);
  }
  add_views(source, plan, work);
  add_attachments(source, plan.shard_count == 0 ? 0 : plan.shard_count - 1, work);
  for (std::size_t i = work.layers.size(); i-- > 1;) {
    WorkLayer& before = work.layers[i - 1];
    if (before.shard == work.layers[i].shard && before.shard_estimate > 0)
      before.shard_estimate += work.layers[i].shard_estimate;
  }
  return work;
}

}  // namespace wpack::packing
