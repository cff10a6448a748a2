#include "load/kept_layers.h"

#include <utility>

namespace wpack::load {

void KeptLayers::keep(Key key, LayerBlocks& blocks, KeptAs kept_as) {
  Order own(1, key);
  const auto [found, added] = layers_.try_emplace(key);
  Kept& kept = found->second;
  if (!added) kept.order->erase(kept.position);
  kept.order = kept_as == KeptAs::kReleased ? &released_ : &read_ahead_;
  kept.position = own.begin();
  kept.order->splice(kept.order->end(), own);
  kept.blocks.swap(blocks);
}

LayerBlocks KeptLayers::take(Key key) {
  const auto found = layers_.find(key);
  return found == layers_.end() ? LayerBlocks() : take(found);
}

LayerBlocks KeptLayers::take(std::map<Key, Kept>::iterator found) noexcept {
  LayerBlocks blocks = std::move(found->second.blocks);
  found->second.order->erase(found->second.position);
  layers_.erase(found);
  return blocks;
}

LayerBlocks KeptLayers::give_up(bool also_read_ahead) {
  if (!released_.empty()) return take(released_.front());
  if (also_read_ahead && !read_ahead_.empty()) return take(read_ahead_.back());
  return {};
}

LayerBlocks KeptLayers::take_any(const void* container) noexcept {
  const auto found = layers_.lower_bound(Key{container, 0});
  if (found == layers_.end() || found->first.container != container) return {};
  return take(found);
}

}  // namespace wpack::load
