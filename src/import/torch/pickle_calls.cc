#include "import/torch/pickle_calls.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "import/bad_input.h"

namespace wpack::import {
namespace {

bool is_hashable(NodeKind kind) {
  return kind != NodeKind::kList && kind != NodeKind::kDict && kind != NodeKind::kSet;
}

// Returns kNoNode where there is none.
Result<NodeId> only_argument(const PickleTree& tree, NodeId args) {
  const auto all = tree.tuple(args);
  if (all.size() > 1) return bad(fmt::format("a container is made from {} values", all.size()));
  return all.empty() ? kNoNode : all.front();
}

Status append_pair(const PickleTree& tree, NodeId pair, std::vector<NodeId>& items) {
  const NodeKind kind = tree.kind(pair);
  const Error no_pair = bad("a dictionary is made from items that are no pairs");
  if (kind != NodeKind::kTuple && kind != NodeKind::kList) return no_pair;
  ItemCursor cursor(tree, pair);
  const NodeId key = cursor.next();
  const NodeId value = key == kNoNode ? kNoNode : cursor.next();
  if (value == kNoNode || cursor.next() != kNoNode || !is_hashable(tree.kind(key))) return no_pair;
  items.push_back(key);
  items.push_back(value);
  return {};
}

// OrderedDict() and Counter({...}) are what newer Pythons write, OrderedDict([[key, value], ...])
// older ones, defaultdict(factory) all.
Result<NodeId> make_dict(PickleTree& tree, NodeId args) {
  WPACK_ASSIGN(const NodeId source, only_argument(tree, args));
  const NodeId dict = tree.add_container(NodeKind::kDict);
  if (source == kNoNode || tree.kind(source) == NodeKind::kGlobal ||
      tree.kind(source) == NodeKind::kNone)
    return dict;
  std::vector<NodeId> items;
  ItemCursor cursor(tree, source);
  if (tree.kind(source) == NodeKind::kDict) {
    for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) items.push_back(item);
  } else if (tree.kind(source) == NodeKind::kList) {
    for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next())
      WPACK_TRY(append_pair(tree, item, items));
  } else {
    return bad(fmt::format("a dictionary is made from a {}", kind_name(tree, source)));
  }
  tree.append_items(dict, items);
  return dict;
}

Result<NodeId> make_set(PickleTree& tree, NodeId args) {
  WPACK_ASSIGN(const NodeId source, only_argument(tree, args));
  const NodeId set = tree.add_container(NodeKind::kSet);
  if (source == kNoNode) return set;
  const NodeKind kind = tree.kind(source);
  if (kind != NodeKind::kList && kind != NodeKind::kTuple && kind != NodeKind::kSet)
    return bad(fmt::format("a set is made from a {}", kind_name(tree, source)));
  std::vector<NodeId> items;
  ItemCursor cursor(tree, source);
  for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) items.push_back(item);
  tree.append_items(set, items);
  return set;
}

}  // namespace

Result<NodeId> add_checked_global(PickleTree& tree, std::string_view module,
                                  std::string_view name) {
  const PickleGlobal global{module, name, classify_global(module, name)};
  if (global.info.role == GlobalRole::kDangerous) {
    return bad(
        fmt::format("it refers to {}, which can run code: the file is not trusted", global.text()));
  }
  return tree.add_global(global);
}

Result<NodeId> add_call(PickleTree& tree, NodeId callable, NodeId args) {
  if (tree.kind(callable) != NodeKind::kGlobal)
    return bad(fmt::format("it calls a value that is no global ({})", kind_name(tree, callable)));
  if (tree.kind(args) != NodeKind::kTuple) return bad("it calls without a tuple of arguments");
  const PickleGlobal& global = tree.global(callable);
  switch (global.info.role) {
    case GlobalRole::kDictClass:
      return make_dict(tree, args);
    case GlobalRole::kSetClass:
      return make_set(tree, args);
    case GlobalRole::kSizeClass:
      if (tree.tuple(args).size() != 1 || tree.kind(tree.tuple(args)[0]) != NodeKind::kTuple)
        return bad("torch.Size takes one tuple");
      return tree.tuple(args)[0];
    case GlobalRole::kDType:
    case GlobalRole::kStorageClass:
      return bad(fmt::format("it calls {}, which is no function", global.text()));
    default:
      return tree.add_object(callable, args);
  }
}

Result<NodeId> add_checked_persistent(PickleTree& tree, NodeId id) {
  constexpr std::size_t kItems = 5;  // 'storage', class, key, location, count
  const bool valid = tree.kind(id) == NodeKind::kTuple && tree.tuple(id).size() == kItems &&
                     tree.kind(tree.tuple(id)[0]) == NodeKind::kString &&
                     tree.text(tree.tuple(id)[0]) == "storage";
  if (!valid) return bad("a persistent id is no ('storage', class, key, location, count)");
  return tree.add_persistent(id);
}

Status append_to_list(PickleTree& tree, NodeId target, std::span<const NodeId> items) {
  if (tree.kind(target) == NodeKind::kObject) return extend_object(tree, target, items);
  if (tree.kind(target) != NodeKind::kList)
    return bad(fmt::format("appends to a value that is no list ({})", kind_name(tree, target)));
  tree.append_items(target, items);
  return {};
}

Status set_items(PickleTree& tree, NodeId target, std::span<const NodeId> items) {
  if (items.size() % 2 != 0) return bad("a dictionary gets a key without a value");
  if (tree.kind(target) == NodeKind::kObject) return extend_object(tree, target, items);
  if (tree.kind(target) != NodeKind::kDict) {
    return bad(
        fmt::format("sets an item of a value that is no dictionary ({})", kind_name(tree, target)));
  }
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (!is_hashable(tree.kind(items[i])))
      return bad(fmt::format("a dictionary has a {} as key", kind_name(tree, items[i])));
  }
  tree.append_items(target, items);
  return {};
}

Status add_to_set(PickleTree& tree, NodeId target, std::span<const NodeId> items) {
  if (tree.kind(target) == NodeKind::kObject) return extend_object(tree, target, items);
  if (tree.kind(target) != NodeKind::kSet)
    return bad(fmt::format("adds to a value that is no set ({})", kind_name(tree, target)));
  tree.append_items(target, items);
  return {};
}

Status extend_object(PickleTree& tree, NodeId object, std::span<const NodeId> items) {
  const PickleGlobal& global = tree.global(tree.object(object).callable);
  if (global.info.role != GlobalRole::kUnknown)
    return bad(fmt::format("adds items to what {} makes", global.text()));
  if (tree.object(object).items == kNoNode)
    tree.mutable_object(object).items = tree.add_container(NodeKind::kList);
  tree.append_items(tree.object(object).items, items);
  return {};
}

Status set_state(PickleTree& tree, NodeId target, NodeId state) {
  if (tree.kind(target) == NodeKind::kDict) return {};
  if (tree.kind(target) != NodeKind::kObject)
    return bad(fmt::format("builds a value that has no state ({})", kind_name(tree, target)));
  if (tree.object(target).state != kNoNode) return bad("builds an object twice");
  tree.mutable_object(target).state = state;
  return {};
}

}  // namespace wpack::import
