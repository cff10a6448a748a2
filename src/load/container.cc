#include "wpack/container.h"

#include <fmt/format.h>

#include <cassert>

#include "format/index_file.h"
#include "load/budget_pool.h"
#include "load/handle_factory.h"
#include "load/index_info.h"
#include "wpack/text.h"

namespace wpack {
namespace {

Error not_found(const ContainerState& state, std::string_view kind, std::string_view name) {
  return {ErrorCode::kNotFound,
          fmt::format("{}: has no {} '{}'", state.opened_index().label, kind, escape_name(name))};
}

std::optional<format::AttachmentRow> find_attachment(const ContainerState& state,
                                                     std::string_view name) {
  const format::Index& index = state.index();
  for (std::uint32_t i = 0; i < index.attachments().size(); ++i) {
    const format::AttachmentRow row = index.attachments()[i];
    if (index.name_of(row) == name) return row;
  }
  return std::nullopt;
}

}  // namespace

ContainerInfo Container::info() const& {
  const format::IndexFile& file = state_->index_file();
  const format::Index& index = file.index;
  ContainerInfo info{.path = state_->path(),
                     .uuid = file.envelope.uuid,
                     .format_major = file.envelope.format_major,
                     .format_minor = file.envelope.format_minor,
                     .producer = index.producer(),
                     .source_format = index.source_format(),
                     .tensor_count = index.tensors().size(),
                     .layer_count = index.layers().size(),
                     .shard_count = index.shards().size(),
                     .extent_count = index.extents().size(),
                     .chunk_count = index.chunks().size(),
                     .index_bytes = file.flatbuffer.size(),
                     .file_bytes = file.envelope.file_size};
  for (std::uint32_t i = 0; i < info.tensor_count; ++i)
    info.alias_count += index.tensors()[i].alias_of != format::kNone ? 1 : 0;
  for (std::uint32_t i = 0; i < info.extent_count; ++i)
    info.payload_bytes += index.extents()[i].raw_size;
  for (std::uint32_t i = 0; i < info.shard_count; ++i)
    info.file_bytes += index.shards()[i].file_size;
  return info;
}

AccessStats Container::stats() const { return state_->stats(); }

std::shared_ptr<BufferPool> Container::memory_pool() const {
  return load::make_budget_pool(state_->memory());
}

UseOrder Container::use_order() const {
  const format::Index& index = state_->index();
  UseOrder order;
  for (const std::uint32_t layer : state_->first_uses().in_order())
    order.layers.emplace_back(index.name_of(index.layers()[layer]));
  return order;
}

std::vector<ShardInfo> Container::shards() const {
  std::vector<ShardInfo> shards;
  const auto& rows = state_->index().shards();
  shards.reserve(rows.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    shards.push_back({format::shard_file_name(i), rows[i].file_size});
  return shards;
}

std::vector<SourceFile> Container::sources() const {
  std::vector<SourceFile> sources;
  const format::Index& index = state_->index();
  for (std::uint32_t i = 0; i < index.sources().size(); ++i) {
    const format::SourceRow row = index.sources()[i];
    sources.push_back({std::string(index.name_of(row)), row.size, row.digest_high, row.digest_low});
  }
  return sources;
}

std::vector<MetadataEntry> Container::metadata() const {
  std::vector<MetadataEntry> entries;
  const format::Index& index = state_->index();
  for (std::uint32_t i = 0; i < index.metadata().size(); ++i) {
    const format::MetadataRow row = index.metadata()[i];
    entries.push_back({std::string(index.key_of(row)), std::string(index.value_of(row)),
                       static_cast<MetadataType>(row.type),
                       static_cast<MetadataOrigin>(row.origin)});
  }
  return entries;
}

std::uint32_t Container::tensor_count() const noexcept { return state_->index().tensors().size(); }

TensorInfo Container::tensor_info(std::uint32_t id) const& {
  assert(id < tensor_count());
  return load::tensor_info(state_->index(), id);
}

std::optional<TensorInfo> Container::find(std::string_view name) const& {
  const auto id = state_->index().find_tensor(name);
  if (!id) return std::nullopt;
  return tensor_info(*id);
}

Result<Tensor> Container::tensor(std::string_view name, const AcquireOptions& options) const {
  const auto id = state_->index().find_tensor(name);
  if (!id) return not_found(*state_, "tensor", name);
  return HandleFactory::tensor(state_, *id, options);
}

Result<Tensor> Container::tensor(std::uint32_t id, const AcquireOptions& options) const {
  if (id >= tensor_count()) return not_found(*state_, "tensor", std::to_string(id));
  return HandleFactory::tensor(state_, id, options);
}

Result<TensorSlice> Container::slice(std::string_view name, std::uint32_t dim, std::uint64_t begin,
                                     std::uint64_t end, const AcquireOptions& options) const {
  const auto id = state_->index().find_tensor(name);
  if (!id) return not_found(*state_, "tensor", name);
  return slice(*id, dim, begin, end, options);
}

Result<TensorSlice> Container::slice(std::uint32_t id, std::uint32_t dim, std::uint64_t begin,
                                     std::uint64_t end, const AcquireOptions& options) const {
  const SliceRequest request{.tensor = id, .part = {.dim = dim, .ranges = {{begin, end}}}};
  WPACK_ASSIGN(std::vector<TensorSlice> one, slices({&request, 1}, options));
  return std::move(one.front());
}

Result<std::vector<TensorSlice>> Container::slices(std::span<const SliceRequest> requests,
                                                   const AcquireOptions& options) const {
  return HandleFactory::slices(state_, requests, options);
}

Result<ReadCost> Container::plan_slices(std::span<const SliceRequest> requests) const {
  WPACK_ASSIGN(const ReadPlan plan, plan_reads(requests));
  return plan.cost;
}

Result<ReadPlan> Container::plan_reads(std::span<const SliceRequest> requests) const {
  WPACK_ASSIGN(const std::vector<load::PlannedSlice> slices, state_->plan_slices(requests));
  WPACK_ASSIGN(const ContainerState::Loading loading, state_->loading());
  return loading.slices.plan_of(slices);
}

Result<ReadPlan> Container::plan_whole(std::span<const std::uint32_t> layers,
                                       std::span<const std::uint32_t> tensors) const {
  return state_->plan_whole(layers, tensors);
}

std::uint32_t Container::layer_count() const noexcept { return state_->index().layers().size(); }

Layer Container::layer(std::uint32_t id) const {
  assert(id < layer_count());
  return HandleFactory::layer(state_, id);
}

Result<Layer> Container::layer(std::string_view name) const {
  const auto id = state_->index().find_layer(name);
  if (!id) return not_found(*state_, "layer", name);
  return layer(*id);
}

std::vector<Layer> Container::layers() const {
  std::vector<Layer> layers;
  layers.reserve(layer_count());
  for (std::uint32_t id = 0; id < layer_count(); ++id) layers.push_back(layer(id));
  return layers;
}

std::vector<AttachmentInfo> Container::attachments() const& {
  std::vector<AttachmentInfo> attachments;
  const auto& rows = state_->index().attachments();
  attachments.reserve(rows.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i)
    attachments.push_back({state_->index().name_of(rows[i]), state_->size_of(rows[i])});
  return attachments;
}

Result<std::vector<std::byte>> Container::attachment(std::string_view name,
                                                     const AcquireOptions& options) const {
  const auto row = find_attachment(*state_, name);
  if (!row) return not_found(*state_, "attachment", name);
  std::vector<std::byte> bytes(state_->size_of(*row));
  WPACK_TRY(HandleFactory::read_attachment(*state_, *row, 0, bytes, options));
  return bytes;
}

Status Container::read_attachment(std::string_view name, std::uint64_t offset, MutableBytes out,
                                  const AcquireOptions& options) const {
  const auto row = find_attachment(*state_, name);
  if (!row) return not_found(*state_, "attachment", name);
  return HandleFactory::read_attachment(*state_, *row, offset, out, options);
}

Status Layer::prefetch() const {
  WPACK_ASSIGN(const ContainerState::Loading loading, state_->loading());
  Status status = loading.layers.prefetch(info_.id);
  if (!status) {
    return state_->opened_index().named(std::move(status).error(),
                                        load::layer_text(state_->index(), info_.id));
  }
  return status;
}

Result<LayerView> Layer::acquire(const AcquireOptions& options) const {
  return HandleFactory::view(state_, info_, options);
}

void Layer::release(ReleasePages pages) const {
  if (const auto loading = state_->loading()) loading->layers.release(info_.id, pages);
}

}  // namespace wpack
