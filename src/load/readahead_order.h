// Which layers are read ahead of the one in use. A pure function of index and recorded order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/index.h"
#include "wpack/error.h"
#include "wpack/use_order.h"

namespace wpack::load {

class ReadaheadOrder {
 public:
  // Errors: kInvalidArgument (a layer that the index does not have, or one that is named twice).
  [[nodiscard]] static Result<ReadaheadOrder> create(const format::Index& index,
                                                     const UseOrder& order);

  // Returns the layer that is used `distance` layers after `layer` (a layer of the index).
  [[nodiscard]] std::optional<std::uint32_t> after(std::uint32_t layer,
                                                   std::uint32_t distance) const noexcept;

 private:
  explicit ReadaheadOrder(std::uint32_t layer_count) : layer_count_(layer_count) {}

  std::uint32_t layer_count_ = 0;
  // Both empty: the order of the index.
  std::vector<std::uint32_t> layers_;     // in the order of use
  std::vector<std::uint32_t> positions_;  // of each layer in it
};

}  // namespace wpack::load
