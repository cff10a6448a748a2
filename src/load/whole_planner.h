// What reading whole layers and tensors asks of the shards: the runs and pieces that LayerReader
// and BlockReader make, listed instead of read.
#pragma once

#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "format/index.h"
#include "load/shard_set.h"
#include "wpack/error.h"
#include "wpack/tensor_slice.h"

namespace wpack::load {

// What several layers and tensors share is listed once. Thread safety: one thread.
class WholePlanner {
 public:
  // Both outlive the planner. `verify_mapped`: chunks of mapped shards are checked.
  WholePlanner(const format::Index& index, ShardSet& shards, bool verify_mapped)
      : index_(index),
        shards_(shards),
        verify_mapped_(verify_mapped),
        added_(index.extents().size()) {}

  // Errors: those of ShardSet::use.
  [[nodiscard]] Status add_layer(std::uint32_t layer);
  [[nodiscard]] Status add_tensor(std::uint32_t tensor);

  // Returns the plan of all that was added, which is then forgotten.
  [[nodiscard]] ReadPlan take();

 private:
  void need(const format::TensorRow& tensor);
  // Of `extents` (ascending), those that were not added before.
  [[nodiscard]] Status add_extents(std::span<const std::uint32_t> extents);
  // The pages of a mapped shard that hold the tensor, or the chunks that it lies in.
  void add_pages(const format::TensorRow& tensor, const format::ExtentRow& extent);

  const format::Index& index_;
  ShardSet& shards_;
  const bool verify_mapped_;
  std::vector<bool> added_;        // by extent: all of it
  std::vector<ShardRead> read_;    // into private memory
  std::vector<ShardRead> mapped_;  // may overlap: what is there is not brought in again
  std::vector<std::tuple<std::uint32_t, std::uint64_t, std::uint64_t>> needed_;  // of extents
};

}  // namespace wpack::load
