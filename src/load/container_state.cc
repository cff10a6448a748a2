#include "load/container_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked_math.h"
#include "codec/codec.h"
#include "load/container_scan.h"
#include "load/whole_planner.h"
#include "wpack/text.h"

namespace wpack {
namespace {

// The default: bytes that are read are checked, mapped views are not.
bool verifies_read(const OpenOptions& options) { return options.verify != VerifyPolicy::kIndex; }
bool verifies_mapped(const OpenOptions& options) {
  return options.verify == VerifyPolicy::kTouch || options.verify == VerifyPolicy::kFull;
}

bool is_stored_raw(const format::ExtentRow& extent) {
  const codec::Codec* codec = codec::find_codec(extent.codec);
  return codec != nullptr && codec->is_identity();
}

load::ReadNeeds needs_of(const format::Index& index, const OpenOptions& options) {
  load::ReadNeeds needs{.checked_at_open = options.verify == VerifyPolicy::kFull,
                        .access = options.access,
                        .memory_budget = options.memory_budget,
                        .profile = options.profile};
  for (std::uint32_t i = 0; i < index.shards().size(); ++i)
    needs.bytes += index.shards()[i].file_size;
  return needs;
}

}  // namespace

ContainerState::ContainerState(std::string path, load::OpenedIndex index,
                               load::ReadaheadOrder order, const OpenOptions& options,
                               load::Engines engines)
    : path_(std::move(path)),
      index_(std::move(index)),
      options_(options),
      engines_(std::move(engines)),
      first_uses_(index_.file.index.layers().size()),
      chooser_(engines_, needs_of(index_.file.index, options)),
      shards_(index_, chooser_, counters_.fallbacks),
      checker_(index_, counters_),
      block_reader_(index_, shards_, checker_, counters_, engines_, verifies_read(options)),
      transfer_(index_, shards_, checker_, counters_, engines_, verifies_read(options)),
      blocks_(block_reader_, counters_),
      layer_reader_(index_, shards_, checker_, blocks_, *engines_.memory, counters_,
                    verifies_mapped(options)),
      slice_reader_(index_, shards_, checker_, layer_reader_, chooser_, counters_, engines_,
                    {.read = verifies_read(options), .mapped = verifies_mapped(options)}),
      layers_(layer_reader_, *engines_.memory, counters_, std::move(order),
              options.readahead_layers) {
  counters_.tracer = options.tracer;
}

Status ContainerState::start(const ProgressCallback& progress) {
  WPACK_TRY(shards_.open_first());
  if (options_.verify == VerifyPolicy::kFull) WPACK_TRY(check_everything(progress));
  // What is open needs no name any more, so the disk space of a replaced container may come back.
  if (shards_.all_opened()) index_.hold = {};
  return {};
}

// Shards that will be mapped are checked in the page cache, which then holds them. Those that will
// be read must not pass through it twice. A server that stops answering must not end the process:
// what lies on one is copied.
load::ScanReading ContainerState::scan_reading() const {
  if (options_.access == AccessMode::kRead || options_.memory_budget) return {};
  return {.map_threads = load::read_in_threads(chooser_.host()),
          .may_map = [this](const os::File& file) {
            const auto file_system = chooser_.choose(file).file.file_system;
            return file_system && file_system->kind != FileSystemKind::kNetwork &&
                   file_system->kind != FileSystemKind::kFuse &&
                   file_system->kind != FileSystemKind::kUnknown;
          }};
}

Status ContainerState::check_everything(const ProgressCallback& progress) {
  load::ContainerScan scan(index_, progress, 1, scan_reading());
  WPACK_TRY(scan.run());
  VerifyReport report = scan.take_report();
  if (!report.faults.empty()) return std::move(report.faults.front());
  for (std::uint32_t i = 0; i < index().extents().size(); ++i)
    counters_.verified_bytes += index().extents()[i].stored_size;
  checker_.set_all_checked();
  return {};
}

Status ContainerState::check_process() const {
  if (!mark_.is_other_process()) return {};
  return Error(ErrorCode::kInvalidArgument,
               index_.label + ": opened before fork(): this process has to open it again");
}

Result<ContainerState::Loading> ContainerState::loading() {
  WPACK_TRY(check_process());
  return Loading{.layers = layers_, .slices = slice_reader_, .transfer = transfer_};
}

AccessStats ContainerState::stats() const {
  if (mark_.is_other_process()) return {};
  const auto nanoseconds = [](const load::PhaseTimes& times) {
    const auto of = [&](load::Phase phase) {
      return times[static_cast<std::size_t>(phase)].load(std::memory_order_relaxed);
    };
    return PhaseNanoseconds{.disk = of(load::Phase::kDisk),
                            .verify = of(load::Phase::kVerify),
                            .memory = of(load::Phase::kMemory),
                            .readahead = of(load::Phase::kReadahead),
                            .consumer = of(load::Phase::kConsumer)};
  };
  const load::MemoryUse memory = engines_.memory->use();
  const std::uint64_t direct = counters_.direct_bytes;
  const std::uint64_t buffered = counters_.buffered_bytes;
  return {.mapped_bytes = shards_.mapped_bytes(),
          .read_bytes = direct + buffered,
          .direct_bytes = direct,
          .buffered_bytes = buffered,
          .brought_in_bytes = counters_.brought_in_bytes,
          .verified_bytes = counters_.verified_bytes,
          .prefetched_bytes = counters_.prefetched_bytes,
          .mapping_refused = shards_.mapping_refused(),
          .fallbacks = counters_.fallbacks.counted(),
          .layer_hits = counters_.layer_hits,
          .layer_misses = counters_.layer_misses,
          .reads_in_flight = counters_.reads_in_flight,
          .stalls = nanoseconds(counters_.stalls),
          .background = nanoseconds(counters_.background),
          .layers_given_up = memory.given_up,
          .memory_bytes = memory.pool.in_use + memory.pool.free,
          .huge_tlb_bytes = memory.pool.huge_tlb,
          .huge_asked_bytes = memory.pool.huge_asked,
          .peak_memory_bytes = memory.pool.peak,
          .reused_memory_bytes = memory.pool.reused};
}

Result<Explanation> ContainerState::explain() {
  WPACK_TRY(check_process());
  Explanation explanation{
      .host = chooser_.host_with_engines(), .profile = options_.profile, .shards = {}};
  for (std::uint32_t i = 0; i < index().shards().size(); ++i) {
    WPACK_ASSIGN(ShardExplanation shard, shards_.explain(i));
    explanation.shards.push_back(std::move(shard));
  }
  return explanation;
}

Status ContainerState::check_known(const format::TensorRow& tensor) const {
  const auto unknown = [&](std::string_view what, unsigned number) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("{}: tensor '{}' has {} {}, which this version does not know",
                             index_.label, escape_name(index().name_of(tensor)), what, number));
  };
  if (find_dtype(static_cast<DType>(tensor.dtype)) == nullptr)
    return unknown("element type", tensor.dtype);
  if (tensor.nbytes == 0) return {};
  const format::ExtentRow extent = index().extents()[tensor.extent];
  if (!is_stored_raw(extent)) return unknown("codec", extent.codec);
  return {};
}

Result<std::vector<load::PlannedSlice>> ContainerState::plan_slices(
    std::span<const SliceRequest> requests) const {
  WPACK_TRY(check_process());
  std::vector<load::PlannedSlice> slices;
  slices.reserve(requests.size());
  for (const SliceRequest& request : requests) {
    if (request.tensor < index().tensors().size())
      WPACK_TRY(check_known(index().tensors()[request.tensor]));
    auto slice = load::plan_slice(index(), request);
    if (!slice) return std::move(slice).error().in(index_.label);
    slices.push_back(*std::move(slice));
  }
  return slices;
}

Result<ReadPlan> ContainerState::plan_whole(std::span<const std::uint32_t> layers,
                                            std::span<const std::uint32_t> tensors) {
  WPACK_TRY(check_process());
  load::WholePlanner planner(index(), shards_, verifies_mapped(options_));
  for (const std::uint32_t number : layers) {
    if (number >= index().layers().size()) return not_there("layer", number);
    const format::LayerRow layer = index().layers()[number];
    for (std::uint32_t i = 0; i < layer.tensor_count; ++i)
      WPACK_TRY(check_known(index().tensors()[layer.tensor_first + i]));
    WPACK_TRY(planner.add_layer(number));
  }
  for (const std::uint32_t number : tensors) {
    if (number >= index().tensors().size()) return not_there("tensor", number);
    WPACK_TRY(check_known(index().tensors()[number]));
    WPACK_TRY(planner.add_tensor(number));
  }
  return planner.take();
}

Result<ContainerState::TensorBytes> ContainerState::materialise(const format::TensorRow& tensor,
                                                                const load::ReadControl& control) {
  WPACK_TRY(check_process());
  WPACK_TRY(check_known(tensor));
  if (tensor.nbytes == 0) return TensorBytes{};
  const format::ExtentRow extent = index().extents()[tensor.extent];
  WPACK_ASSIGN(const load::CheckedShard* shard, shards_.use(extent.shard));
  if (shard->mapped) {
    if (verifies_mapped(options_)) {
      const ByteRange raw{tensor.byte_offset, tensor.byte_offset + tensor.nbytes};
      WPACK_TRY(layer_reader_.check_mapped(*shard, tensor.extent,
                                           load::chunks_of_range(extent, raw), control));
    }
    return cut(shard->view(extent.offset, extent.stored_size), tensor, true, nullptr);
  }
  WPACK_ASSIGN(const auto blocks, blocks_.get({&tensor.extent, 1}, control, nullptr));
  return cut(blocks.front()->view(extent), tensor, false, blocks.front());
}

Result<ContainerState::TensorBytes> ContainerState::find_loaded(const format::TensorRow& tensor,
                                                                const load::LayerBlocks& blocks) {
  if (tensor.nbytes == 0) return TensorBytes{};
  const format::ExtentRow extent = index().extents()[tensor.extent];
  const auto found =
      std::ranges::lower_bound(blocks, tensor.extent, {}, &load::LayerBlocks::value_type::first);
  if (found != blocks.end() && found->first == tensor.extent)
    return cut(found->second->view(extent), tensor, false, nullptr);
  WPACK_ASSIGN(const load::CheckedShard* shard, shards_.use(extent.shard));
  return cut(shard->view(extent.offset, extent.stored_size), tensor, true, nullptr);
}

// The relations of a validated index guarantee that the tensor lies in its extent, unless somebody
// overwrites an index that is large enough to be mapped.
Result<ContainerState::TensorBytes> ContainerState::cut(Bytes stored,
                                                        const format::TensorRow& tensor,
                                                        bool mapped, load::BlockRef block) const {
  if (!base::range_within(tensor.byte_offset, tensor.nbytes, stored.size())) return index_changed();
  return TensorBytes{stored.subspan(tensor.byte_offset, tensor.nbytes), mapped, std::move(block)};
}

std::uint64_t ContainerState::size_of(const format::AttachmentRow& attachment) const {
  return attachment.extent == format::kNone ? 0 : index().extents()[attachment.extent].raw_size;
}

Status ContainerState::read_attachment(const format::AttachmentRow& attachment,
                                       std::uint64_t offset, MutableBytes out,
                                       const load::ReadControl& control) {
  const auto label = [&] {
    return fmt::format("{}: attachment '{}'", index_.label,
                       escape_name(index().name_of(attachment)));
  };
  WPACK_TRY(check_process());
  const std::uint64_t size = size_of(attachment);
  if (!base::range_within(offset, out.size(), size)) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{} has {} bytes, not {} from {} on",
                                                          label(), size, out.size(), offset));
  }
  if (out.empty()) return {};
  const format::ExtentRow extent = index().extents()[attachment.extent];
  if (!is_stored_raw(extent)) {
    return Error(ErrorCode::kBadInput, fmt::format("{} has codec {}, which this version does not "
                                                   "know",
                                                   label(), extent.codec));
  }
  WPACK_ASSIGN(const load::CheckedShard* shard, shards_.use(extent.shard));
  WPACK_ASSIGN(const load::OpenShard file, shards_.file(*shard));
  std::vector<std::byte> whole;  // a chunk of which only a part is wanted
  while (!out.empty()) {
    if (Status go_on = control.tell(); !go_on) return std::move(go_on).error().in(label());
    const auto number = static_cast<std::uint32_t>(offset >> extent.chunk_log2);
    const format::ChunkRow chunk = index().chunks()[extent.chunk_first + number];
    if (offset < chunk.offset || offset - chunk.offset >= chunk.stored_size) return index_changed();
    const auto skipped = static_cast<std::size_t>(offset - chunk.offset);
    const std::size_t wanted = std::min(chunk.stored_size - skipped, out.size());
    const bool in_place = wanted == chunk.stored_size;
    if (!in_place) whole.resize(chunk.stored_size);
    const MutableBytes stored = in_place ? out.first(wanted) : MutableBytes(whole);
    {
      const load::PhaseTimer timer(counters_, load::Phase::kDisk, true, "read attachment",
                                   stored.size());
      WPACK_TRY(file->read_exact(extent.offset + chunk.offset, stored));
    }
    counters_.buffered_bytes += stored.size();
    const load::PhaseTimer timer(counters_, load::Phase::kVerify, true, "verify", stored.size());
    WPACK_TRY(checker_.check(attachment.extent, number, stored));
    if (!in_place) std::copy_n(whole.data() + skipped, wanted, out.data());
    control.add_read(wanted);
    offset += wanted;
    out = out.subspan(wanted);
  }
  return {};
}

Error ContainerState::not_there(std::string_view kind, std::uint32_t number) const {
  return {ErrorCode::kNotFound, fmt::format("{}: has no {} '{}'", index_.label, kind, number)};
}

Error ContainerState::index_changed() const {
  return {ErrorCode::kIntegrity,
          fmt::format("{}: index changed while it was in use", index_.label)};
}

}  // namespace wpack
