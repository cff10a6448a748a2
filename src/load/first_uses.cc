#include "load/first_uses.h"

#include <algorithm>
#include <utility>

namespace wpack::load {

void FirstUses::note(std::uint32_t layer) noexcept {
  if (layer >= layer_count_) return;
  std::atomic<std::uint32_t>& rank = ranks_[layer];
  if (rank.load(std::memory_order_relaxed) != 0) return;
  std::uint32_t unused = 0;
  // Of two threads that are here at once, one rank goes unused: ranks are compared, not counted.
  const std::uint32_t own = used_.fetch_add(1, std::memory_order_relaxed) + 1;
  rank.compare_exchange_strong(unused, own, std::memory_order_relaxed);
}

std::vector<std::uint32_t> FirstUses::in_order() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> found;  // rank, layer
  for (std::uint32_t layer = 0; layer < layer_count_; ++layer) {
    if (const std::uint32_t rank = ranks_[layer].load(std::memory_order_relaxed); rank != 0)
      found.emplace_back(rank, layer);
  }
  std::ranges::sort(found);
  std::vector<std::uint32_t> layers;
  layers.reserve(found.size());
  for (const auto& [rank, layer] : found) layers.push_back(layer);
  return layers;
}

}  // namespace wpack::load
