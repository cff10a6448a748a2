// An open container behind all its handles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "load/access_counters.h"
#include "load/block_cache.h"
#include "load/block_reader.h"
#include "load/chunk_checker.h"
#include "load/engines.h"
#include "load/first_uses.h"
#include "load/index_reader.h"
#include "load/layer_loader.h"
#include "load/layer_reader.h"
#include "load/read_chooser.h"
#include "load/scan_bytes.h"
#include "load/shard_set.h"
#include "load/slice_reader.h"
#include "load/tensor_transfer.h"
#include "os/process.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/explain.h"

namespace wpack {

// Handles own it together through shared_ptr; nothing inside refers back to it, so that it goes
// with the last handle, on the thread that drops it, and joins its worker there.
//
// Thread safety: all functions, from several threads at once.
class ContainerState {
 public:
  ContainerState(std::string path, load::OpenedIndex index, load::ReadaheadOrder order,
                 const OpenOptions& options, load::Engines engines);
  ContainerState(const ContainerState&) = delete;
  ContainerState& operator=(const ContainerState&) = delete;

  // Opens the first shards, and checks everything where the policy is kFull. Called once, before
  // anything else.
  [[nodiscard]] Status start(const ProgressCallback& progress);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] const format::IndexFile& index_file() const noexcept { return index_.file; }
  [[nodiscard]] const format::Index& index() const noexcept { return index_.file.index; }
  [[nodiscard]] const load::OpenedIndex& opened_index() const noexcept { return index_; }
  [[nodiscard]] AccessStats stats() const;
  [[nodiscard]] const std::shared_ptr<load::MemoryBudget>& memory() const noexcept {
    return engines_.memory;
  }
  [[nodiscard]] load::FirstUses& first_uses() noexcept { return first_uses_; }
  // How each shard is read. Errors: those of wpack::explain.
  [[nodiscard]] Result<Explanation> explain();

  // What loads and reads. Nobody outside gets at it but through loading().
  struct Loading {
    load::LayerLoader& layers;
    load::SliceReader& slices;
    load::TensorTransfer& transfer;
  };
  // Errors: those of check_process().
  [[nodiscard]] Result<Loading> loading();

  // The bytes of a tensor, and what holds them besides this object (null if they are mapped).
  struct TensorBytes {
    Bytes bytes;
    bool mapped = false;
    load::BlockRef block;
  };
  // Materialises one tensor. Errors: those of Container::tensor.
  [[nodiscard]] Result<TensorBytes> materialise(const format::TensorRow& tensor,
                                                const load::ReadControl& control);
  // The same for a tensor of a layer that `blocks` hold in memory.
  [[nodiscard]] Result<TensorBytes> find_loaded(const format::TensorRow& tensor,
                                                const load::LayerBlocks& blocks);
  // kBadInput if the tensor has an element type or a codec that this version does not know.
  [[nodiscard]] Status check_known(const format::TensorRow& tensor) const;
  // kIntegrity: rows of a mapped index do not fit each other any more.
  [[nodiscard]] Error index_changed() const;

  // Lays out slices for Loading::slices. Errors: those of Container::slices but for reading.
  [[nodiscard]] Result<std::vector<load::PlannedSlice>> plan_slices(
      std::span<const SliceRequest> requests) const;
  // Errors: those of Container::plan_whole.
  [[nodiscard]] Result<ReadPlan> plan_whole(std::span<const std::uint32_t> layers,
                                            std::span<const std::uint32_t> tensors);

  // Bytes of an attachment.
  [[nodiscard]] std::uint64_t size_of(const format::AttachmentRow& attachment) const;
  // Fills `out` from `offset` of an attachment. Errors: those of Container::read_attachment.
  [[nodiscard]] Status read_attachment(const format::AttachmentRow& attachment,
                                       std::uint64_t offset, MutableBytes out,
                                       const load::ReadControl& control);

 private:
  // Errors: kInvalidArgument, in a child that was forked since: the threads of loading are not
  // there, and its locks may be held for ever.
  [[nodiscard]] Status check_process() const;
  [[nodiscard]] Status check_everything(const ProgressCallback& progress);
  [[nodiscard]] load::ScanReading scan_reading() const;
  [[nodiscard]] Error not_there(std::string_view kind, std::uint32_t number) const;
  [[nodiscard]] Result<TensorBytes> cut(Bytes stored, const format::TensorRow& tensor, bool mapped,
                                        load::BlockRef block) const;

  const os::ProcessMark mark_;
  const std::string path_;
  load::OpenedIndex index_;  // constant after start()
  const OpenOptions options_;
  const load::Engines engines_;
  load::AccessCounters counters_;
  load::FirstUses first_uses_;
  const load::ReadChooser chooser_;
  load::ShardSet shards_;
  load::ChunkChecker checker_;
  load::BlockReader block_reader_;
  load::TensorTransfer transfer_;
  load::BlockCache blocks_;
  const load::LayerReader layer_reader_;
  load::SliceReader slice_reader_;
  load::LayerLoader layers_;  // last: its worker uses all the others
};

}  // namespace wpack
