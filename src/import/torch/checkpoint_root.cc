#include "import/torch/checkpoint_root.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "import/bad_input.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr auto kRootNames = std::to_array<std::string_view>(
    {"state_dict", "model_state_dict", "model", "module", "net", "ema", "params"});
constexpr std::size_t kMaxListedChildren = 8;

struct Child {
  std::uint32_t ordinal = 0;
  NodeId key = kNoNode;  // of a dictionary
  NodeId value = kNoNode;
};

// Calls `visit(Child)` for each child of a container until it returns true.
template <typename Visit>
void for_each_child(const PickleTree& tree, NodeId container, Visit visit) {
  ItemCursor cursor(tree, container);
  const bool dict = tree.kind(container) == NodeKind::kDict;
  for (std::uint32_t ordinal = 0;; ++ordinal) {
    Child child{.ordinal = ordinal, .key = kNoNode, .value = kNoNode};
    if (dict) child.key = cursor.next();
    child.value = cursor.next();
    if (child.value == kNoNode || visit(child)) return;
  }
}

// The part of a dotted path that stands for the child; empty where it can have none. Numbers are
// written to `buffer`; keys are not copied, as one long key may be shared by many items.
std::string_view child_name(const PickleTree& tree, const Child& child, std::string& buffer) {
  if (child.key != kNoNode && tree.kind(child.key) == NodeKind::kString)
    return tree.text(child.key);
  buffer.clear();
  if (child.key == kNoNode) {
    buffer = fmt::format("{}", child.ordinal);
  } else if (tree.kind(child.key) == NodeKind::kInteger) {
    buffer = fmt::format("{}", tree.integer(child.key));
  }
  return buffer;
}

// Returns at most kMaxListedChildren children of `top` whose name `accepts` takes and that hold
// tensors.
template <typename Accepts>
std::vector<Child> children_with_tensors(const PickleTree& tree, NodeId top,
                                         const TensorRebuilder& rebuilder, Accepts accepts) {
  std::vector<Child> found;
  std::string buffer;
  TensorSearch search(tree, rebuilder, TensorSearch::Reach::kContainers);
  for_each_child(tree, top, [&](const Child& child) {
    if (accepts(child_name(tree, child, buffer)) && search.finds_tensor(child.value))
      found.push_back(child);
    return found.size() == kMaxListedChildren;
  });
  return found;
}

std::string list_names(const PickleTree& tree, const std::vector<Child>& children) {
  std::string text;
  std::string buffer;
  for (const Child& child : children) {
    text += text.empty() ? "" : ", ";
    text += escape_name(child_name(tree, child, buffer).substr(0, 256), 64);
  }
  return text;
}

// Keys may hold dots themselves: at each level the longest key that fits is taken.
Result<std::vector<std::uint32_t>> follow_path(const PickleTree& tree, NodeId top,
                                               const std::string& path) {
  std::vector<std::uint32_t> way;
  std::string buffer;
  std::string_view rest = path;
  NodeId at = top;
  while (!rest.empty()) {
    std::size_t best_size = 0;
    Child best;
    if (is_container(tree.kind(at))) {
      for_each_child(tree, at, [&](const Child& child) {
        const std::string_view name = child_name(tree, child, buffer);
        const bool fits = !name.empty() && rest.starts_with(name) &&
                          (rest.size() == name.size() || rest[name.size()] == '.');
        if (fits && name.size() > best_size) {
          best_size = name.size();
          best = child;
        }
        return false;
      });
    }
    if (best_size == 0) {
      return bad(fmt::format("it has no '{}' to take as root: nothing there is called '{}'",
                             escape_name(path), escape_name(rest)));
    }
    way.push_back(best.ordinal);
    at = best.value;
    rest.remove_prefix(std::min(rest.size(), best_size + 1));
  }
  if (!is_container(tree.kind(at))) {
    return bad(fmt::format("'{}' is no dictionary of tensors ({})", escape_name(path),
                           kind_name(tree, at)));
  }
  return way;
}

}  // namespace

bool is_container(NodeKind kind) noexcept {
  return kind == NodeKind::kDict || kind == NodeKind::kList || kind == NodeKind::kTuple;
}

Result<std::vector<std::uint32_t>> find_checkpoint_root(const PickleTree& tree, NodeId top,
                                                        const TensorRebuilder& rebuilder,
                                                        const std::string& path) {
  if (rebuilder.is_tensor(top)) {
    return bad("it holds one tensor without a name: save a dictionary of tensors");
  }
  if (path == "." || !is_container(tree.kind(top))) return std::vector<std::uint32_t>{};
  if (!path.empty()) return follow_path(tree, top, path);

  bool direct = false;
  for_each_child(tree, top, [&](const Child& child) {
    direct = rebuilder.is_tensor(child.value);
    return direct;
  });
  if (direct) return std::vector<std::uint32_t>{};
  const auto known = children_with_tensors(tree, top, rebuilder, [](std::string_view name) {
    return std::ranges::find(kRootNames, name) != kRootNames.end();
  });
  if (known.size() == 1) return std::vector<std::uint32_t>{known.front().ordinal};
  if (known.size() > 1) {
    return bad(fmt::format("several of its dictionaries may be the model ({}): choose one as root",
                           list_names(tree, known)));
  }
  const auto others =
      children_with_tensors(tree, top, rebuilder, [](std::string_view) { return true; });
  if (others.empty()) return std::vector<std::uint32_t>{};
  return bad(fmt::format(
      "none of its dictionaries is known to be the model ({}): choose one as root, or '.' for all",
      list_names(tree, others)));
}

bool TensorSearch::finds_tensor(NodeId id) {
  pending_.clear();
  bool found = push(id);
  while (!found && !pending_.empty()) {
    const NodeId at = pending_.back();
    pending_.pop_back();
    found = push_children(at);
  }
  // What was marked on the way to a tensor has not been searched to its end.
  if (found) barren_.assign(barren_.size(), false);
  return found;
}

// Returns true if `id` is a tensor.
bool TensorSearch::push(NodeId id) {
  if (id == kNoNode || barren_[id]) return false;
  if (rebuilder_.is_tensor(id)) return true;
  barren_[id] = true;
  pending_.push_back(id);
  return false;
}

bool TensorSearch::push_children(NodeId id) {
  const NodeKind kind = tree_.kind(id);
  if (reach_ == Reach::kContainers && !is_container(kind)) return false;
  if (is_container(kind) || kind == NodeKind::kSet) {
    ItemCursor cursor(tree_, id);
    for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) {
      if (push(item)) return true;
    }
  } else if (kind == NodeKind::kObject) {
    const PickleObject& object = tree_.object(id);
    return push(object.args) || push(object.state) || push(object.items);
  }
  return false;
}

}  // namespace wpack::import
