#include "load/kept_layers.h"

#include <iterator>

namespace wpack::load {

LayerBlocks KeptLayers::keep(Key key, LayerBlocks blocks, KeptAs kept_as) {
  LayerBlocks before = take(key);
  Order& order = kept_as == KeptAs::kReleased ? released_ : read_ahead_;
  order.push_back(key);
  layers_.emplace(key, Kept{std::move(blocks), &order, std::prev(order.end())});
  return before;
}

LayerBlocks KeptLayers::take(Key key) {
  const auto found = layers_.find(key);
  return found == layers_.end() ? LayerBlocks() : take(found);
}

LayerBlocks KeptLayers::take(std::map<Key, Kept>::iterator found) {
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

std::vector<LayerBlocks> KeptLayers::take_all(const void* container) {
  std::vector<LayerBlocks> taken;
  auto it = layers_.lower_bound(Key{container, 0});
  while (it != layers_.end() && it->first.container == container) taken.push_back(take((it++)));
  return taken;
}

}  // namespace wpack::load
