// Which dictionary of a checkpoint holds the tensors that are wanted.
#pragma once

#include <string>
#include <vector>

#include "import/torch/pickle_tree.h"
#include "import/torch/tensor_rebuild.h"
#include "wpack/error.h"

namespace wpack::import {

// Returns the way from `top` to the root: at each level, which child (0 is the first item of a
// list, or the first value of a dictionary). Empty: the top itself.
// An empty `path` means: the top if it directly holds tensors, else the only one of state_dict,
// model_state_dict, model, module, net, ema and params that holds any. "." is always the top. Where
// nothing can be chosen because only unknown objects hold tensors, or nothing does, it is the top.
// Errors: kBadInput, naming the candidates.
[[nodiscard]] Result<std::vector<std::uint32_t>> find_checkpoint_root(
    const PickleTree& tree, NodeId top, const TensorRebuilder& rebuilder, const std::string& path);

// True for what flattening descends into: dictionaries, lists and tuples.
[[nodiscard]] bool is_container(NodeKind kind) noexcept;

// Finds tensors below nodes. Remembers what it has searched in vain, so that any number of searches
// that find nothing take time linear in the size of the tree together.
class TensorSearch {
 public:
  enum class Reach {
    kContainers,  // what flattening descends into
    kEverything,  // also sets, and the arguments and state of objects
  };

  TensorSearch(const PickleTree& tree, const TensorRebuilder& rebuilder, Reach reach)
      : tree_(tree), rebuilder_(rebuilder), reach_(reach), barren_(tree.size()) {}

  // True if `id` is a tensor, or one can be reached from it.
  [[nodiscard]] bool finds_tensor(NodeId id);

 private:
  bool push(NodeId id);
  bool push_children(NodeId id);

  const PickleTree& tree_;
  const TensorRebuilder& rebuilder_;
  Reach reach_;
  std::vector<bool> barren_;
  std::vector<NodeId> pending_;
};

}  // namespace wpack::import
