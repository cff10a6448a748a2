// Which files of a model's folder hold its weights, judged by their names. Pure.
//
// Weights come in two kinds, `.safetensors` and PyTorch's `.bin`, and three forms:
//   model.safetensors                        a single file
//   model.safetensors.index.json             an index that names its files
//   model-00001-of-00003.safetensors, ...    a set that counts itself
// What stands before that, `model`, may have a variant behind it, which the index has elsewhere:
// model.fp16.safetensors, model.fp16-00001-of-00002.safetensors, model.safetensors.index.fp16.json.
//
// Safetensors go before `.bin`; among several names `model` and `pytorch_model` go first. What is
// left is refused where programs differ in what they read: two names, a single file beside an index
// that does not name it, a single file beside a set. Files beside an index that it does not name
// are left out, as every program does it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"

namespace wpack::folder {

struct WeightFiles {
  std::string index;               // empty if there is none, and then:
  std::vector<std::string> files;  // the single file, or the set, complete and in order
  // With an index: a single file that stands for the same weights unless the index names it.
  std::string rival;
};

// Returns the weights among the `names` of a folder; all members are empty if there are none.
// Errors: kBadInput (ambiguous), kIo (a file of a set is missing); messages name the files, not the
// folder.
[[nodiscard]] Result<WeightFiles> choose_weights(std::span<const std::string> names);

// True if the name is that of an index, such as model.safetensors.index.json.
[[nodiscard]] bool is_index_name(std::string_view name);

// True if the name is that of weights in one of the forms above.
[[nodiscard]] bool is_weight_name(std::string_view name);

// The refusal of two files that stand for the same weights.
[[nodiscard]] Error ambiguous_weights(std::string_view a, std::string_view b);

}  // namespace wpack::folder
