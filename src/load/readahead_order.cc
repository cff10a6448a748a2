#include "load/readahead_order.h"

#include <fmt/format.h>

#include "wpack/text.h"

namespace wpack::load {

Result<ReadaheadOrder> ReadaheadOrder::create(const format::Index& index, const UseOrder& order) {
  const std::uint32_t layer_count = index.layers().size();
  ReadaheadOrder result(layer_count);
  if (order.layers.empty()) return result;
  result.layers_.reserve(layer_count);
  result.positions_.assign(layer_count, format::kNone);
  const auto append = [&](std::uint32_t layer) {
    result.positions_[layer] = static_cast<std::uint32_t>(result.layers_.size());
    result.layers_.push_back(layer);
  };
  for (const std::string& name : order.layers) {
    const auto layer = index.find_layer(name);
    if (!layer || result.positions_[*layer] != format::kNone) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("the use order names the layer '{}', which {}", escape_name(name),
                               layer ? "it named before" : "the container does not have"));
    }
    append(*layer);
  }
  for (std::uint32_t layer = 0; layer < layer_count; ++layer) {
    if (result.positions_[layer] == format::kNone) append(layer);
  }
  return result;
}

std::optional<std::uint32_t> ReadaheadOrder::after(std::uint32_t layer,
                                                   std::uint32_t distance) const noexcept {
  const std::uint32_t position = positions_.empty() ? layer : positions_[layer];
  if (distance >= layer_count_ - position) return std::nullopt;
  return layers_.empty() ? position + distance : layers_[position + distance];
}

}  // namespace wpack::load
