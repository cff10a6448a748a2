// The values that a pickle describes, as plain data: a tree whose nodes may be shared, and which
// may contain itself.
//
// Nodes are numbers into arenas, so that neither building nor destroying a tree recurses, however
// deep it is. Strings are views into the pickle's own bytes.
#pragma once

#include <bit>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "import/memory_meter.h"
#include "import/torch/torch_globals.h"

namespace wpack::import {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xFFFFFFFF;

enum class NodeKind : std::uint8_t {
  kNone,
  kBool,
  kInteger,
  kBigInteger,  // does not fit into 64 bits; text() is two's complement, least byte first
  kFloat,
  kString,  // text() is what the pickle holds: UTF-8, perhaps with surrogates
  kBytes,
  kTuple,
  kList,
  kDict,  // items() are key, value, key, value, ...
  kSet,
  kGlobal,      // a name of a module
  kPersistent,  // a storage: payload is the tuple of its persistent id
  kObject,      // what calling a global would make
};

// "module.name" as the pickle spells it.
struct PickleGlobal {
  std::string_view module;
  std::string_view name;
  GlobalInfo info;
  [[nodiscard]] std::string text() const;  // escaped for a message
};

// What calling `callable` (a kGlobal) with `args` (a kTuple) would make; nothing is ever called.
struct PickleObject {
  NodeId callable = kNoNode;
  NodeId args = kNoNode;
  NodeId state = kNoNode;  // given by BUILD
  NodeId items = kNoNode;  // a kList of what was added to it one by one; dictionaries: key, value
};

// Move-only. Every NodeId that it is asked about must be its own. Memory is charged to the meter.
class PickleTree {
 public:
  explicit PickleTree(MemoryMeter& meter);
  PickleTree(PickleTree&&) noexcept = default;

  // Reading.
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  // How many items all tuples, lists, dictionaries and sets have together.
  [[nodiscard]] std::uint64_t total_items() const noexcept { return total_items_; }
  [[nodiscard]] NodeKind kind(NodeId id) const { return nodes_[id].kind; }
  [[nodiscard]] bool boolean(NodeId id) const { return nodes_[id].payload != 0; }
  [[nodiscard]] std::int64_t integer(NodeId id) const {
    return static_cast<std::int64_t>(nodes_[id].payload);
  }
  [[nodiscard]] double floating(NodeId id) const {
    return std::bit_cast<double>(nodes_[id].payload);
  }
  [[nodiscard]] std::string_view text(NodeId id) const {
    return {std::bit_cast<const char*>(nodes_[id].payload), nodes_[id].count};
  }
  [[nodiscard]] std::span<const NodeId> tuple(NodeId id) const {
    return {std::bit_cast<const NodeId*>(nodes_[id].payload), nodes_[id].count};
  }
  // Of a list, dictionary or set: how many items() there are.
  [[nodiscard]] std::size_t item_count(NodeId id) const { return nodes_[id].count; }
  [[nodiscard]] const PickleGlobal& global(NodeId id) const { return globals_[nodes_[id].payload]; }
  [[nodiscard]] const PickleObject& object(NodeId id) const { return objects_[nodes_[id].payload]; }
  [[nodiscard]] NodeId persistent_id(NodeId id) const {
    return static_cast<NodeId>(nodes_[id].payload);
  }
  [[nodiscard]] const std::deque<PickleGlobal>& globals() const noexcept { return globals_; }

  // Building. `text` must outlive the tree.
  [[nodiscard]] NodeId none() const noexcept { return kNoneNode; }
  [[nodiscard]] NodeId boolean_node(bool value) const noexcept {
    return value ? kTrueNode : kFalseNode;
  }
  [[nodiscard]] NodeId add_integer(std::int64_t value);
  [[nodiscard]] NodeId add_float(double value);
  [[nodiscard]] NodeId add_text(NodeKind kind, std::string_view text);
  [[nodiscard]] NodeId add_tuple(std::span<const NodeId> items);
  [[nodiscard]] NodeId add_container(NodeKind kind);
  [[nodiscard]] NodeId add_global(const PickleGlobal& global);
  [[nodiscard]] NodeId add_persistent(NodeId id);
  [[nodiscard]] NodeId add_object(NodeId callable, NodeId args);
  void append_items(NodeId container, std::span<const NodeId> items);
  [[nodiscard]] PickleObject& mutable_object(NodeId id) { return objects_[nodes_[id].payload]; }

 private:
  friend class ItemCursor;
  static constexpr NodeId kNoneNode = 0;
  static constexpr NodeId kFalseNode = 1;
  static constexpr NodeId kTrueNode = 2;
  static constexpr NodeId kEmptyTupleNode = 3;
  static constexpr NodeId kSmallIntegersBegin = 4;
  static constexpr std::int64_t kSmallIntegers = 256;
  static constexpr std::uint32_t kNoSegment = 0xFFFFFFFF;
  static constexpr std::size_t kArenaChunk = 4096;  // node numbers

  struct Node {
    NodeKind kind = NodeKind::kNone;
    std::uint32_t count = 0;    // of a text: bytes; of a container: items
    std::uint64_t payload = 0;  // by kind: value, address, position, or two segment numbers
  };
  // Containers grow by whole runs; a run never moves.
  struct Segment {
    const NodeId* items = nullptr;
    std::uint32_t count = 0;
    std::uint32_t next = kNoSegment;
  };

  [[nodiscard]] NodeId add(NodeKind kind, std::uint32_t count, std::uint64_t payload);
  [[nodiscard]] const NodeId* store(std::span<const NodeId> items);

  MemoryMeter* meter_;
  std::deque<Node> nodes_;
  std::deque<Segment> segments_;
  std::deque<PickleGlobal> globals_;
  std::deque<PickleObject> objects_;
  std::vector<std::unique_ptr<NodeId[]>> arena_;
  std::size_t arena_left_ = 0;  // free numbers at the end of the last chunk
  NodeId* arena_next_ = nullptr;
  std::uint64_t total_items_ = 0;
};

// Walks the items of a tuple, list, dictionary or set in their order. The tree must not grow
// meanwhile.
class ItemCursor {
 public:
  ItemCursor(const PickleTree& tree, NodeId container);
  // Returns the next item, or kNoNode at the end.
  [[nodiscard]] NodeId next();

 private:
  const PickleTree* tree_;
  std::span<const NodeId> run_;
  std::uint32_t next_segment_;
};

// Returns a word for people: "dict", "str", "tensor storage", or an object's module.name.
[[nodiscard]] std::string kind_name(const PickleTree& tree, NodeId id);

}  // namespace wpack::import
