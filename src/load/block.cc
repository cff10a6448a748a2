#include "load/block.h"

#include "base/checked_math.h"
#include "load/memory_budget.h"

namespace wpack::load {

Block::~Block() {
  buffer = HostBuffer();
  budget->notify();
}

Bytes Block::view(const format::ExtentRow& extent) const noexcept {
  if (extent.offset < range.begin ||
      !base::range_within(extent.offset - range.begin, extent.stored_size, range.size())) {
    return {};
  }
  return Bytes(buffer.bytes()).subspan(extent.offset - range.begin, extent.stored_size);
}

}  // namespace wpack::load
