// What a pickle's calls, states and added items become in the tree. Nothing is ever called.
#pragma once

#include <span>
#include <string_view>

#include "import/torch/pickle_tree.h"
#include "wpack/error.h"

namespace wpack::import {

// All errors are kBadInput, without the offset.

// Adds the global `module`.`name`. Errors: it is one that can run code.
[[nodiscard]] Result<NodeId> add_checked_global(PickleTree& tree, std::string_view module,
                                                std::string_view name);

// Adds what calling `callable` with `args` makes: a container for the classes that stand for one,
// else an object. Errors: no global, no tuple, or arguments that the container does not take.
[[nodiscard]] Result<NodeId> add_call(PickleTree& tree, NodeId callable, NodeId args);

// Adds a storage reference. Errors: `id` is no ('storage', class, key, location, count).
[[nodiscard]] Result<NodeId> add_checked_persistent(PickleTree& tree, NodeId id);

// APPEND(S), SETITEM(S) and ADDITEMS on `target`. Errors: it is of another kind, unhashable keys.
[[nodiscard]] Status append_to_list(PickleTree& tree, NodeId target, std::span<const NodeId> items);
[[nodiscard]] Status set_items(PickleTree& tree, NodeId target, std::span<const NodeId> items);
[[nodiscard]] Status add_to_set(PickleTree& tree, NodeId target, std::span<const NodeId> items);
// Objects of unknown classes may derive from dict, list or set: the items are kept with them.
[[nodiscard]] Status extend_object(PickleTree& tree, NodeId object, std::span<const NodeId> items);

// BUILD: gives `target` its state. The state of a dictionary is its attributes (`_metadata` of
// every state_dict) and is not kept. Errors: `target` has no state, or has one already.
[[nodiscard]] Status set_state(PickleTree& tree, NodeId target, NodeId state);

}  // namespace wpack::import
