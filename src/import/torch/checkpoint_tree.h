// From the tree of a checkpoint to flat, named tensors: nested dictionaries and lists are joined
// with dots, everything that is no tensor becomes metadata or is listed as dropped.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "import/memory_meter.h"
#include "import/torch/pickle_tree.h"
#include "import/torch/tensor_rebuild.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

struct NamedTensor {
  std::string name;  // relative to the root
  TensorView view;
};

struct Checkpoint {
  std::deque<NamedTensor> tensors;      // in the pickle's order
  std::vector<MetadataEntry> metadata;  // under the full path from the top
  std::vector<std::string> dropped_leaves;
  std::vector<std::string> warnings;
};

// Flattens the tree whose top is `top`, below the root that `root_path` (SourceOptions::root)
// chooses. Time and memory are bounded, whatever the tree shares or contains; memory is charged to
// `meter`.
// Errors: kBadInput (no such root, none or several to choose from, names that collide or are not
// valid, a tensor of an unsupported kind, an unknown object that holds tensors), kLimit, and those
// of TensorRebuilder. Messages do not name the file.
[[nodiscard]] Result<Checkpoint> flatten_checkpoint(const PickleTree& tree, NodeId top,
                                                    TensorRebuilder& rebuilder,
                                                    const std::string& root_path,
                                                    MemoryMeter& meter);

}  // namespace wpack::import
