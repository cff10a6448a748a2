// The bytes of a run of extents in private memory.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "format/rows.h"
#include "wpack/buffer_pool.h"
#include "wpack/types.h"

namespace wpack::load {

class MemoryBudget;

// Immutable once it is complete.
struct Block {
  Block(HostBuffer memory, ByteRange file_range, std::shared_ptr<MemoryBudget> owner) noexcept
      : buffer(std::move(memory)), range(file_range), budget(std::move(owner)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  // Gives the memory back and wakes who waits for some.
  ~Block();

  // The stored bytes of an extent; empty if they are not in this block.
  [[nodiscard]] Bytes view(const format::ExtentRow& extent) const noexcept;

  HostBuffer buffer;
  ByteRange range;  // in the shard file
  std::shared_ptr<MemoryBudget> budget;
};
using BlockRef = std::shared_ptr<const Block>;

// What holds the bytes of a layer that are not mapped: blocks by extent, ascending.
using LayerBlocks = std::vector<std::pair<std::uint32_t, BlockRef>>;

}  // namespace wpack::load
