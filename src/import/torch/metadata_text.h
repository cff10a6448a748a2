// Scalars of a checkpoint as text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "import/torch/pickle_tree.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// Returns the entry (with an empty key) for a None, bool, int, float or str node, or nullopt for
// any other, and for a str that is not UTF-8.
[[nodiscard]] std::optional<MetadataEntry> to_metadata(const PickleTree& tree, NodeId id);

// Returns the decimal text of a two's complement integer, least byte first.
[[nodiscard]] std::string decimal_text(std::string_view digits);

}  // namespace wpack::import
