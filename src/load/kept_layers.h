// Layers that are in memory though nobody holds them: released ones, in case they are wanted again,
// and ones that were read ahead. Under pressure they are given up, in a stated order.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <utility>

#include "load/block.h"

namespace wpack::load {

// Why a layer is kept.
enum class KeptAs : std::uint8_t { kReleased, kReadAhead };

// Thread safety: one thread at a time.
class KeptLayers {
 public:
  // A layer of one of the containers that share a budget.
  struct Key {
    const void* container = nullptr;
    std::uint32_t layer = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // Keeps `blocks`, which are not empty, as the youngest; one of this key that is kept already
  // changes places with them. Where memory runs out, nothing has changed: no blocks go while the
  // caller holds a lock that their end takes.
  void keep(Key key, LayerBlocks& blocks, KeptAs kept_as);
  // Takes a layer out; empty if it is not there.
  [[nodiscard]] LayerBlocks take(Key key);
  [[nodiscard]] bool contains(Key key) const { return layers_.contains(key); }

  // Takes the layer out that is given up first: of the released ones, the one that has been kept
  // for the longest time; if there is none and `also_read_ahead`, of those that were read ahead the
  // youngest, as it is wanted last. Empty if there is none.
  [[nodiscard]] LayerBlocks give_up(bool also_read_ahead);

  // Takes a layer of a container out; empty if there is none.
  [[nodiscard]] LayerBlocks take_any(const void* container) noexcept;

 private:
  using Order = std::list<Key>;  // oldest first
  struct Kept {
    LayerBlocks blocks;
    Order* order = nullptr;
    Order::iterator position;
  };
  [[nodiscard]] LayerBlocks take(std::map<Key, Kept>::iterator found) noexcept;

  std::map<Key, Kept> layers_;
  Order released_;
  Order read_ahead_;
};

}  // namespace wpack::load
