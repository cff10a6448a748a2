// The stack, marks and memo of a pickle machine.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include "import/memory_meter.h"
#include "import/torch/pickle_tree.h"
#include "wpack/error.h"

namespace wpack::import {

// Nothing below the last mark is in reach. Memory is charged to the meter; the caller asks whether
// it is exceeded after every opcode. Errors: kBadInput (underflow), kLimit.
class PickleStack {
 public:
  explicit PickleStack(MemoryMeter& meter) noexcept : meter_(meter) {}

  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  [[nodiscard]] bool has_marks() const noexcept { return !marks_.empty(); }

  void push(NodeId id);
  [[nodiscard]] Result<NodeId> top() const;
  [[nodiscard]] Result<NodeId> pop();

  void mark();
  // Removes the last mark and returns what was above it, lowest first.
  [[nodiscard]] Result<std::vector<NodeId>> pop_to_mark();
  // What POP does: removes a mark where one is on top.
  [[nodiscard]] Status pop_or_unmark();

  // The memo: writes the top under `index`, pushes what is under it.
  [[nodiscard]] Status put(std::uint64_t index);
  [[nodiscard]] Status get(std::uint64_t index);
  // Where MEMOIZE writes next.
  [[nodiscard]] std::uint64_t next_memo_index() const noexcept { return memo_.size(); }

 private:
  MemoryMeter& meter_;
  std::deque<NodeId> values_;
  std::deque<std::size_t> marks_;  // stack heights
  std::deque<NodeId> memo_;        // the dense part, which is all that real picklers write
  std::unordered_map<std::uint64_t, NodeId> sparse_memo_;  // indexes past the dense part
};

}  // namespace wpack::import
