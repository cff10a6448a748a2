// Which layer a tensor belongs to, and in what order the layers of a source that sorts by name are
// used. Pure functions of the name.
#pragma once

#include <string_view>
#include <vector>

#include "pack/name_pattern.h"

namespace wpack::packing {

// Finds layers in names. Built-in rules, first match wins:
//  1. a numbered block below a well-known list: layers.N, layer.N, h.N, blocks.N, block.N,
//     resblocks.N, stages.N, wherever it stands in the name;
//  2. everything up to the first number ("layer1.0", "features.3");
//  3. everything up to a segment called embeddings;
//  4. the module: the name up to its last dot. A name without a dot is a layer of its own.
// With patterns of the user's, these come first, and only rule 4 is left after them.
class LayerRules {
 public:
  // Errors: kInvalidArgument (a malformed pattern).
  [[nodiscard]] static Result<LayerRules> create(const std::vector<std::string>& user_patterns);

  // Returns the layer's name, a front part of `name` (or all of it).
  [[nodiscard]] std::string_view layer_of(std::string_view name) const;

 private:
  LayerRules(std::vector<LayerPattern> patterns, bool built_in)
      : patterns_(std::move(patterns)), built_in_(built_in) {}
  std::vector<LayerPattern> patterns_;
  bool built_in_ = true;
};

// Where a layer stands in a forward pass, as far as its name tells.
enum class LayerStage {
  kInput,   // embeddings, patch and position embeddings, stems
  kBlocks,  // numbered blocks, and what lies between
  kNorm,    // final norms
  kHead,    // heads, classifiers, poolers
};

[[nodiscard]] LayerStage stage_of_layer(std::string_view layer) noexcept;

}  // namespace wpack::packing
