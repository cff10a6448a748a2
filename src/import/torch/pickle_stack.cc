#include "import/torch/pickle_stack.h"

#include <fmt/format.h>

#include "import/bad_input.h"

namespace wpack::import {
namespace {}  // namespace

void PickleStack::push(NodeId id) {
  meter_.add(sizeof(NodeId));
  values_.push_back(id);
}

Result<NodeId> PickleStack::top() const {
  if (values_.size() <= (marks_.empty() ? 0 : marks_.back())) return bad("the stack is empty");
  return values_.back();
}

Result<NodeId> PickleStack::pop() {
  WPACK_ASSIGN(const NodeId id, top());
  values_.pop_back();
  meter_.subtract(sizeof(NodeId));
  return id;
}

void PickleStack::mark() {
  meter_.add(sizeof(std::size_t));
  marks_.push_back(values_.size());
}

Result<std::vector<NodeId>> PickleStack::pop_to_mark() {
  if (marks_.empty()) return bad("there is no mark on the stack");
  // The items exist twice for a while: here and on the stack, then here and in the tree.
  const std::uint64_t copied = (values_.size() - marks_.back()) * sizeof(NodeId);
  meter_.add(copied);
  WPACK_TRY(meter_.check());
  meter_.subtract(copied);
  const auto begin = values_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<NodeId> items(begin, values_.end());
  values_.erase(begin, values_.end());
  marks_.pop_back();
  meter_.subtract(copied + sizeof(std::size_t));
  return items;
}

Status PickleStack::pop_or_unmark() {
  if (!marks_.empty() && values_.size() == marks_.back()) {
    marks_.pop_back();
    meter_.subtract(sizeof(std::size_t));
    return {};
  }
  WPACK_TRY(pop());
  return {};
}

Status PickleStack::put(std::uint64_t index) {
  WPACK_ASSIGN(const NodeId id, top());
  if (index < memo_.size()) {
    memo_[static_cast<std::size_t>(index)] = id;
  } else if (index == memo_.size()) {
    meter_.add(sizeof(NodeId));
    memo_.push_back(id);
  } else {
    constexpr std::uint64_t kMapEntry = 64;  // roughly
    if (sparse_memo_.insert_or_assign(index, id).second) meter_.add(kMapEntry);
  }
  return {};
}

Status PickleStack::get(std::uint64_t index) {
  // The dense part may have grown over an index that was once sparse: it is the newer one.
  if (index < memo_.size()) {
    push(memo_[static_cast<std::size_t>(index)]);
    return {};
  }
  const auto sparse = sparse_memo_.find(index);
  if (sparse == sparse_memo_.end())
    return bad(fmt::format("memo entry {} was never written", index));
  push(sparse->second);
  return {};
}

}  // namespace wpack::import
