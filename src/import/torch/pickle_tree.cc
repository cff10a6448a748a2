#include "import/torch/pickle_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "wpack/text.h"

namespace wpack::import {
namespace {

// A container's payload: its first segment in the low half, its last in the high half.
constexpr std::uint64_t pack_segments(std::uint32_t first, std::uint32_t last) {
  return (std::uint64_t{last} << 32U) | first;
}
constexpr std::uint32_t first_segment(std::uint64_t payload) {
  return static_cast<std::uint32_t>(payload);
}
constexpr std::uint32_t last_segment(std::uint64_t payload) {
  return static_cast<std::uint32_t>(payload >> 32U);
}

}  // namespace

std::string PickleGlobal::text() const {
  return fmt::format("{}.{}", escape_name(module, 256), escape_name(name, 256));
}

PickleTree::PickleTree(MemoryMeter& meter) : meter_(&meter) {
  (void)add(NodeKind::kNone, 0, 0);
  (void)add(NodeKind::kBool, 0, 0);
  (void)add(NodeKind::kBool, 0, 1);
  (void)add(NodeKind::kTuple, 0, 0);
  for (std::uint64_t value = 0; value < kSmallIntegers; ++value)
    (void)add(NodeKind::kInteger, 0, value);
}

NodeId PickleTree::add(NodeKind kind, std::uint32_t count, std::uint64_t payload) {
  meter_->add(sizeof(Node));
  nodes_.push_back({kind, count, payload});
  return static_cast<NodeId>(nodes_.size() - 1);
}

const NodeId* PickleTree::store(std::span<const NodeId> items) {
  if (items.empty()) return nullptr;
  total_items_ += items.size();
  if (items.size() > arena_left_) {
    const std::size_t size = std::max(kArenaChunk, items.size());
    meter_->add(size * sizeof(NodeId));
    arena_.push_back(std::make_unique_for_overwrite<NodeId[]>(size));
    arena_next_ = arena_.back().get();
    arena_left_ = size;
  }
  NodeId* stored = arena_next_;
  std::ranges::copy(items, stored);
  arena_next_ += items.size();
  arena_left_ -= items.size();
  return stored;
}

NodeId PickleTree::add_integer(std::int64_t value) {
  if (value >= 0 && value < kSmallIntegers) return kSmallIntegersBegin + static_cast<NodeId>(value);
  return add(NodeKind::kInteger, 0, static_cast<std::uint64_t>(value));
}

NodeId PickleTree::add_float(double value) {
  return add(NodeKind::kFloat, 0, std::bit_cast<std::uint64_t>(value));
}

NodeId PickleTree::add_text(NodeKind kind, std::string_view text) {
  return add(kind, static_cast<std::uint32_t>(text.size()),
             std::bit_cast<std::uint64_t>(text.data()));
}

NodeId PickleTree::add_tuple(std::span<const NodeId> items) {
  if (items.empty()) return kEmptyTupleNode;
  return add(NodeKind::kTuple, static_cast<std::uint32_t>(items.size()),
             std::bit_cast<std::uint64_t>(store(items)));
}

NodeId PickleTree::add_container(NodeKind kind) {
  return add(kind, 0, pack_segments(kNoSegment, kNoSegment));
}

NodeId PickleTree::add_global(const PickleGlobal& global) {
  meter_->add(sizeof(PickleGlobal));
  globals_.push_back(global);
  return add(NodeKind::kGlobal, 0, globals_.size() - 1);
}

NodeId PickleTree::add_persistent(NodeId id) { return add(NodeKind::kPersistent, 0, id); }

NodeId PickleTree::add_object(NodeId callable, NodeId args) {
  meter_->add(sizeof(PickleObject));
  objects_.push_back({.callable = callable, .args = args, .state = kNoNode, .items = kNoNode});
  return add(NodeKind::kObject, 0, objects_.size() - 1);
}

void PickleTree::append_items(NodeId container, std::span<const NodeId> items) {
  if (items.empty()) return;
  meter_->add(sizeof(Segment));
  const auto added = static_cast<std::uint32_t>(segments_.size());
  const auto count = static_cast<std::uint32_t>(items.size());
  segments_.push_back({store(items), count, kNoSegment});
  Node& node = nodes_[container];
  const std::uint32_t last = last_segment(node.payload);
  if (last != kNoSegment) segments_[last].next = added;
  node.payload = pack_segments(last == kNoSegment ? added : first_segment(node.payload), added);
  node.count += count;
}

ItemCursor::ItemCursor(const PickleTree& tree, NodeId container)
    : tree_(&tree), next_segment_(PickleTree::kNoSegment) {
  if (tree.kind(container) == NodeKind::kTuple) {
    run_ = tree.tuple(container);
  } else {
    next_segment_ = first_segment(tree.nodes_[container].payload);
  }
}

NodeId ItemCursor::next() {
  if (run_.empty()) {
    if (next_segment_ == PickleTree::kNoSegment) return kNoNode;
    const auto& segment = tree_->segments_[next_segment_];
    run_ = {segment.items, segment.count};
    next_segment_ = segment.next;
  }
  const NodeId item = run_.front();
  run_ = run_.subspan(1);
  return item;
}

std::string kind_name(const PickleTree& tree, NodeId id) {
  switch (tree.kind(id)) {
    case NodeKind::kNone:
      return "None";
    case NodeKind::kBool:
      return "bool";
    case NodeKind::kInteger:
    case NodeKind::kBigInteger:
      return "int";
    case NodeKind::kFloat:
      return "float";
    case NodeKind::kString:
      return "str";
    case NodeKind::kBytes:
      return "bytes";
    case NodeKind::kTuple:
      return "tuple";
    case NodeKind::kList:
      return "list";
    case NodeKind::kDict:
      return "dict";
    case NodeKind::kSet:
      return "set";
    case NodeKind::kGlobal:
      return tree.global(id).text();
    case NodeKind::kPersistent:
      return "storage";
    case NodeKind::kObject:
      return tree.global(tree.object(id).callable).text();
  }
  return "value";
}

}  // namespace wpack::import
