#include "import/torch/checkpoint_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "import/bad_input.h"
#include "import/torch/checkpoint_root.h"
#include "import/torch/metadata_text.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::size_t kMaxTreeDepth = 256;
constexpr std::size_t kMaxTensorNameSize = 4096;
constexpr std::size_t kMaxTreeMetadataSize = std::size_t{64} << 10;  // keys and values together
constexpr std::size_t kMaxWarnings = 64;
constexpr std::size_t kMaxListed = 100'000;                   // dropped leaves
constexpr std::size_t kMaxListedSize = std::size_t{8} << 20;  // bytes of their lines, about
constexpr std::size_t kMaxAttributes = 16;                    // of one tensor
// Shared containers are walked once for each path to them, and shared values looked at each time.
// Real checkpoints share little; sharing that unfolds without end stops here. A step is an item, or
// 64 bytes of a key or text.
constexpr std::uint64_t kMinSteps = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxStepsPerItem = 8;
constexpr std::size_t kBytesPerStep = 64;
constexpr std::uint64_t kStepsOfBadKey = 4;  // one that is no part of a path is described instead

class Walk {
 public:
  Walk(const PickleTree& tree, TensorRebuilder& rebuilder, std::vector<std::uint32_t> root,
       MemoryMeter& meter)
      : tree_(tree),
        rebuilder_(rebuilder),
        search_(tree, rebuilder, TensorSearch::Reach::kEverything),
        root_(std::move(root)),
        meter_(meter),
        open_(tree.size()) {}

  Result<Checkpoint> run(NodeId top);

 private:
  struct Frame {
    NodeId container;
    ItemCursor cursor;
    std::uint32_t next_ordinal = 0;
    std::size_t path_size = 0;    // of the container's own path
    bool path_is_text = true;     // likewise
    bool on_way_to_root = false;  // the container is the root or leads to it
    bool inside = false;          // the container is the root or lies in it
  };
  struct Child {
    NodeId key = kNoNode;
    NodeId value = kNoNode;
    bool on_way_to_root = false;
    bool inside = false;
  };

  bool next_child(Child& child);
  Status visit(const Child& child);
  Status enter(NodeId container, bool on_way_to_root, bool inside);
  Status add_leaf(NodeId id, bool inside);
  Status add_tensor(NodeId id, bool inside);
  void drop_attributes(NodeId id);
  [[nodiscard]] std::size_t text_size(NodeId id) const;
  Status add_metadata(NodeId id);
  Status drop(NodeId id, bool inside);
  bool lists_one_more();
  void drop_as(std::string_view kind);
  void drop_leaf(NodeId id);
  void list_dropped(std::string line);
  [[nodiscard]] Status check_names() const;
  void warn_of_unknown_globals();
  bool append_to_path(const Frame& frame, const Child& child);
  void append_key(std::string_view key);
  [[nodiscard]] std::string_view name() const;

  const PickleTree& tree_;
  TensorRebuilder& rebuilder_;
  TensorSearch search_;
  std::vector<std::uint32_t> root_;
  MemoryMeter& meter_;
  std::vector<bool> open_;  // containers that are being walked
  std::vector<Frame> frames_;
  std::string path_;
  bool path_is_text_ = true;        // UTF-8 without NUL; each key is looked at for itself
  std::size_t root_path_size_ = 0;  // of the root's path with the dot behind it
  std::size_t metadata_size_ = 0;
  std::uint64_t steps_ = 0;
  std::size_t listed_size_ = 0;  // bytes of the lines of dropped leaves
  std::uint64_t unlisted_ = 0;   // dropped leaves
  Checkpoint out_;
};

Result<Checkpoint> Walk::run(NodeId top) {
  if (!is_container(tree_.kind(top))) {
    WPACK_TRY(drop(top, true));
    return bad(fmt::format("it holds no dictionary of tensors ({})", kind_name(tree_, top)));
  }
  const std::uint64_t max_steps =
      kMinSteps + kMaxStepsPerItem * (tree_.size() + tree_.total_items());
  WPACK_TRY(enter(top, true, root_.empty()));
  while (!frames_.empty()) {
    Child child;
    if (!next_child(child)) {
      open_[frames_.back().container] = false;
      frames_.pop_back();
      continue;
    }
    if (steps_ > max_steps) {
      return Error(ErrorCode::kLimit,
                   "its containers share so much that flattening them would not end");
    }
    WPACK_TRY(visit(child));
    WPACK_TRY(meter_.check());
  }
  if (unlisted_ != 0)
    out_.dropped_leaves.push_back(fmt::format("... and {} more, not listed", unlisted_));
  if (out_.tensors.empty()) return bad("it holds no tensors");
  WPACK_TRY(check_names());
  warn_of_unknown_globals();
  return std::move(out_);
}

Status Walk::enter(NodeId container, bool on_way_to_root, bool inside) {
  if (open_[container]) return bad(fmt::format("'{}' contains itself", escape_name(path_)));
  if (frames_.size() == kMaxTreeDepth) {
    return Error(ErrorCode::kLimit, fmt::format("'{}' is nested more than {} deep",
                                                escape_name(path_, 256), kMaxTreeDepth));
  }
  open_[container] = true;
  if (on_way_to_root && inside) root_path_size_ = path_.size() + (frames_.empty() ? 0 : 1);
  frames_.push_back({.container = container,
                     .cursor = ItemCursor(tree_, container),
                     .path_size = path_.size(),
                     .path_is_text = path_is_text_,
                     .on_way_to_root = on_way_to_root,
                     .inside = inside});
  return {};
}

bool Walk::next_child(Child& child) {
  ++steps_;
  Frame& frame = frames_.back();
  if (tree_.kind(frame.container) == NodeKind::kDict) child.key = frame.cursor.next();
  child.value = frame.cursor.next();
  if (child.value == kNoNode) return false;
  const std::size_t depth = frames_.size() - 1;
  child.on_way_to_root =
      frame.on_way_to_root && depth < root_.size() && root_[depth] == frame.next_ordinal;
  child.inside = frame.inside || (child.on_way_to_root && depth + 1 == root_.size());
  ++frame.next_ordinal;
  return true;
}

// Returns false where the child cannot have a path: its key is no text or number, or is too long.
// The path then names the place as well as it can.
bool Walk::append_to_path(const Frame& frame, const Child& child) {
  path_.resize(frame.path_size);
  path_is_text_ = frame.path_is_text;
  if (frames_.size() > 1) path_ += '.';
  const std::size_t limit = kMaxTensorNameSize + (frame.inside ? root_path_size_ : 0);
  if (child.key == kNoNode) {
    path_ += fmt::format("{}", frame.next_ordinal - 1);
  } else if (tree_.kind(child.key) == NodeKind::kInteger) {
    path_ += fmt::format("{}", tree_.integer(child.key));
  } else if (tree_.kind(child.key) == NodeKind::kString) {
    const std::string_view key = tree_.text(child.key);
    if (key.size() + path_.size() > limit) {
      steps_ += kStepsOfBadKey;
      path_ += escape_name(key.substr(0, 256), 64);
      return false;
    }
    append_key(key);
  } else {
    steps_ += kStepsOfBadKey;
    path_ += fmt::format("<{}>", kind_name(tree_, child.key));
    return false;
  }
  return path_.size() <= limit;
}

void Walk::append_key(std::string_view key) {
  steps_ += key.size() / kBytesPerStep;
  path_ += key;
  path_is_text_ = path_is_text_ && base::is_utf8(key) && key.find('\0') == std::string_view::npos;
}

Status Walk::visit(const Child& child) {
  const Frame& frame = frames_.back();
  if (!append_to_path(frame, child)) {
    if (child.inside && search_.finds_tensor(child.value)) {
      return bad(fmt::format("'{}' holds a tensor, but its key makes no name of 1 to {} bytes",
                             escape_name(path_, 256), kMaxTensorNameSize));
    }
    drop_leaf(child.value);
    return {};
  }
  if (is_container(tree_.kind(child.value)))
    return enter(child.value, child.on_way_to_root, child.inside);
  return add_leaf(child.value, child.inside);
}

Status Walk::add_leaf(NodeId id, bool inside) {
  if (rebuilder_.is_tensor(id)) return add_tensor(id, inside);
  switch (tree_.kind(id)) {
    case NodeKind::kNone:
    case NodeKind::kBool:
    case NodeKind::kInteger:
    case NodeKind::kBigInteger:
    case NodeKind::kFloat:
    case NodeKind::kString:
      return add_metadata(id);
    default:
      return drop(id, inside);
  }
}

std::string_view Walk::name() const { return std::string_view(path_).substr(root_path_size_); }

Status Walk::add_tensor(NodeId id, bool inside) {
  if (!inside) {
    drop_as("tensor outside the root");
    return {};
  }
  const std::string_view own_name = name();
  if (own_name.empty()) return bad("a tensor has an empty name");
  if (!base::is_utf8(own_name) || own_name.find('\0') != std::string_view::npos) {
    return bad(
        fmt::format("the tensor name '{}' is not UTF-8 without NUL", escape_name(own_name, 256)));
  }
  auto view = rebuilder_.rebuild(id);
  if (!view) return std::move(view).error().in(fmt::format("tensor '{}'", escape_name(own_name)));
  constexpr std::size_t kOverhead = 64;  // of its allocations, and of how it is read
  meter_.add(sizeof(NamedTensor) + sizeof(SourceTensor) + kOverhead + own_name.size() +
             3 * sizeof(std::uint64_t) * view->shape.size());
  out_.tensors.push_back({std::string(own_name), *std::move(view)});
  drop_attributes(id);
  return {};
}

// Python attributes of a tensor are not kept; the two of every nn.Buffer are not worth a line.
void Walk::drop_attributes(NodeId id) {
  constexpr std::size_t kState = 3;  // of the functions that take one
  if (tree_.kind(id) != NodeKind::kObject) return;
  const auto args = tree_.tuple(tree_.object(id).args);
  if (args.size() != kState + 1 || tree_.kind(args[kState]) != NodeKind::kDict) return;
  ItemCursor cursor(tree_, args[kState]);
  NodeId key = cursor.next();
  for (std::size_t i = 0; i < kMaxAttributes && key != kNoNode; ++i, key = cursor.next()) {
    const NodeId value = cursor.next();
    if (tree_.kind(key) != NodeKind::kString) continue;
    const std::string_view name = tree_.text(key);
    if (name == "persistent" || name == "_is_buffer" || !lists_one_more()) continue;
    list_dropped(fmt::format("{} (attribute {}): {}", escape_name(path_),
                             escape_name(name.substr(0, 256), 64), kind_name(tree_, value)));
  }
}

// Returns how many bytes the value of a leaf has as a text. Finding the digits of a big integer
// takes far longer than its size shows, so it counts with all that it can have, and none are found
// in vain: a byte makes 2.41, and there may be a sign.
std::size_t Walk::text_size(NodeId id) const {
  switch (tree_.kind(id)) {
    case NodeKind::kString:
      return tree_.text(id).size();
    case NodeKind::kBigInteger:
      return tree_.text(id).size() * 5 / 2 + 1;
    default:
      return 0;
  }
}

// Looks at sizes first: one long value may be shared by many leaves. What does not count towards
// the metadata, as it is no text, takes steps.
Status Walk::add_metadata(NodeId id) {
  const std::size_t room = kMaxTreeMetadataSize - metadata_size_;
  const std::size_t size = text_size(id);
  const bool possible =
      path_.size() <= kMaxTensorNameSize && path_.size() + size <= room && path_is_text_;
  if (possible) steps_ += size / kBytesPerStep;
  auto entry = possible ? to_metadata(tree_, id) : std::nullopt;
  if (!entry || path_.size() + entry->value.size() > room) {
    drop_leaf(id);
    return {};
  }
  metadata_size_ += path_.size() + entry->value.size();
  entry->key = path_;
  out_.metadata.push_back(*std::move(entry));
  return {};
}

// What is neither tensor nor scalar is left out, unless it holds tensors: those would be lost.
Status Walk::drop(NodeId id, bool inside) {
  const NodeKind kind = tree_.kind(id);
  const bool may_hold = kind == NodeKind::kObject || (kind == NodeKind::kSet && inside);
  if (may_hold && search_.finds_tensor(id)) {
    const std::string subject =
        frames_.empty() ? std::string("it") : fmt::format("'{}'", escape_name(path_));
    return bad(
        fmt::format("{} is made by {}, which is not known, and holds tensors: save a "
                    "state_dict",
                    subject, kind_name(tree_, id)));
  }
  drop_leaf(id);
  return {};
}

// True if what is dropped next is listed; else it is only counted. Texts are made for what is
// listed alone: leaves may be shared without end.
bool Walk::lists_one_more() {
  if (out_.dropped_leaves.size() < kMaxListed && listed_size_ < kMaxListedSize) return true;
  ++unlisted_;
  return false;
}

void Walk::drop_as(std::string_view kind) {
  if (lists_one_more()) list_dropped(fmt::format("{}: {}", escape_name(path_), kind));
}

void Walk::drop_leaf(NodeId id) {
  if (lists_one_more())
    list_dropped(fmt::format("{}: {}", escape_name(path_), kind_name(tree_, id)));
}

void Walk::list_dropped(std::string line) {
  meter_.add(sizeof(std::string) + line.size());
  listed_size_ += line.size();
  out_.dropped_leaves.push_back(std::move(line));
}

// Different ways through the tree may spell one name.
Status Walk::check_names() const {
  std::vector<std::uint32_t> order(out_.tensors.size());
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  const auto name_of = [this](std::uint32_t i) -> const std::string& {
    return out_.tensors[i].name;
  };
  std::ranges::sort(order, {}, name_of);
  const auto twice = std::ranges::adjacent_find(order, {}, name_of);
  if (twice == order.end()) return {};
  return bad(fmt::format("two tensors are called '{}'", escape_name(name_of(*twice))));
}

// Compares names before it escapes them: few may be named millions of times.
void Walk::warn_of_unknown_globals() {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::size_t left_out = 0;
  for (const PickleGlobal& global : tree_.globals()) {
    if (global.info.role != GlobalRole::kUnknown) continue;
    if (seen.size() == kMaxWarnings) {
      ++left_out;
      continue;
    }
    if (!seen.emplace(global.module, global.name).second) continue;
    std::string line = fmt::format("values of {} are not known and were left out", global.text());
    if (std::ranges::find(out_.warnings, line) == out_.warnings.end())
      out_.warnings.push_back(std::move(line));
  }
  if (left_out != 0)
    out_.warnings.push_back(fmt::format("{} more references to unknown values", left_out));
}

}  // namespace

Result<Checkpoint> flatten_checkpoint(const PickleTree& tree, NodeId top,
                                      TensorRebuilder& rebuilder, const std::string& root_path,
                                      MemoryMeter& meter) {
  WPACK_ASSIGN(auto root, find_checkpoint_root(tree, top, rebuilder, root_path));
  return Walk(tree, rebuilder, std::move(root), meter).run(top);
}

}  // namespace wpack::import
