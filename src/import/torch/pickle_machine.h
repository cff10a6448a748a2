// Reading a pickle without Python: protocols 2 to 5, as data. Nothing is imported, called or
// allocated on the word of the file.
#pragma once

#include "import/memory_meter.h"
#include "import/torch/pickle_tree.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

struct Pickle {
  PickleTree tree;
  NodeId root = kNoNode;
};

// Runs the pickle in `bytes`, which must outlive the result. Classes that stand for containers
// (OrderedDict, Counter, defaultdict, set, torch.Size) become containers; calling any other global
// becomes a kObject node.
// Time and memory are linear in the size of `bytes`; memory is charged to `meter`.
// Errors: kBadInput (malformed, an opcode that no checkpoint needs, a dangerous global; with the
// offset in the pickle), kLimit (the meter's budget is passed). Messages do not name the file.
[[nodiscard]] Result<Pickle> read_pickle(Bytes bytes, MemoryMeter& meter);

}  // namespace wpack::import
