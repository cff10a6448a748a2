#include "import/torch/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>
#include <vector>

#include "base/little_endian.h"
#include "import/bad_input.h"
#include "import/torch/pickle_calls.h"
#include "import/torch/pickle_input.h"
#include "import/torch/pickle_opcodes.h"
#include "import/torch/pickle_stack.h"

namespace wpack::import {
namespace {

constexpr std::uint8_t kMinProtocol = 2;
constexpr std::uint8_t kMaxProtocol = 5;
constexpr std::size_t kMaxLongSize = 1024;  // bytes of an integer

class Machine {
 public:
  Machine(Bytes bytes, MemoryMeter& meter)
      : input_(bytes), meter_(meter), tree_(meter), stack_(meter) {}

  Result<Pickle> run();

 private:
  Status step(Opcode opcode);
  // Opcodes, by family. Each returns false for an opcode of another family.
  Result<bool> step_scalar(Opcode opcode);
  Result<bool> step_text(Opcode opcode);
  Result<bool> step_container(Opcode opcode);
  Result<bool> step_stack(Opcode opcode);
  Result<bool> step_object(Opcode opcode);

  Status protocol();
  Status frame();
  Status long_integer(Result<std::uint64_t> size);
  Status push_tuple(std::size_t count);
  Status push_global(std::string_view module, std::string_view name);
  Status stack_global();
  Status persistent();
  Status call(bool with_keywords);
  Status build();

  PickleInput input_;
  MemoryMeter& meter_;
  PickleTree tree_;
  PickleStack stack_;
};

Status Machine::push_tuple(std::size_t count) {
  NodeId items[3] = {};
  for (std::size_t i = count; i-- > 0;) {
    WPACK_ASSIGN(items[i], stack_.pop());
  }
  stack_.push(tree_.add_tuple(std::span(items).first(count)));
  return {};
}

Status Machine::protocol() {
  WPACK_ASSIGN(const std::uint64_t version, input_.take_number<std::uint8_t>());
  if (version < kMinProtocol || version > kMaxProtocol)
    return bad(fmt::format("pickle protocol {} is not supported", version));
  return {};
}

Status Machine::frame() {
  WPACK_ASSIGN(const std::uint64_t size, input_.take_number<std::uint64_t>());
  if (size > input_.remaining())
    return bad(fmt::format("a frame of {} bytes reaches past the end", size));
  return {};
}

Status Machine::long_integer(Result<std::uint64_t> size) {
  if (!size) return std::move(size).error();
  if (*size > kMaxLongSize) return bad(fmt::format("an integer of {} bytes is too long", *size));
  WPACK_ASSIGN(const Bytes digits, input_.take(*size));
  if (digits.size() > sizeof(std::int64_t)) {
    const std::string_view text(reinterpret_cast<const char*>(digits.data()), digits.size());
    stack_.push(tree_.add_text(NodeKind::kBigInteger, text));
    return {};
  }
  const bool negative = !digits.empty() && (digits.back() & std::byte{0x80}) != std::byte{0};
  std::byte extended[sizeof(std::uint64_t)];
  std::ranges::fill(extended, negative ? std::byte{0xFF} : std::byte{0});
  std::ranges::copy(digits, extended);
  stack_.push(tree_.add_integer(static_cast<std::int64_t>(base::load_le<std::uint64_t>(extended))));
  return {};
}

Result<bool> Machine::step_scalar(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNone:
      stack_.push(tree_.none());
      return true;
    case Opcode::kNewTrue:
    case Opcode::kNewFalse:
      stack_.push(tree_.boolean_node(opcode == Opcode::kNewTrue));
      return true;
    case Opcode::kBinInt: {
      WPACK_ASSIGN(const std::uint64_t value, input_.take_number<std::uint32_t>());
      stack_.push(tree_.add_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(value))));
      return true;
    }
    case Opcode::kBinInt1: {
      WPACK_ASSIGN(const std::uint64_t value, input_.take_number<std::uint8_t>());
      stack_.push(tree_.add_integer(static_cast<std::int64_t>(value)));
      return true;
    }
    case Opcode::kBinInt2: {
      WPACK_ASSIGN(const std::uint64_t value, input_.take_number<std::uint16_t>());
      stack_.push(tree_.add_integer(static_cast<std::int64_t>(value)));
      return true;
    }
    case Opcode::kLong1:
      WPACK_TRY(long_integer(input_.take_number<std::uint8_t>()));
      return true;
    case Opcode::kLong4:
      WPACK_TRY(long_integer(input_.take_number<std::uint32_t>()));
      return true;
    case Opcode::kBinFloat: {
      WPACK_ASSIGN(const std::uint64_t reversed, input_.take_number<std::uint64_t>());
      stack_.push(tree_.add_float(std::bit_cast<double>(__builtin_bswap64(reversed))));
      return true;
    }
    default:
      return false;
  }
}

Result<bool> Machine::step_text(Opcode opcode) {
  const auto push_text = [this](NodeKind kind, Result<std::uint64_t> size) -> Result<bool> {
    WPACK_ASSIGN(const std::string_view text, input_.take_text(std::move(size)));
    stack_.push(tree_.add_text(kind, text));
    return true;
  };
  switch (opcode) {
    case Opcode::kShortBinUnicode:
    case Opcode::kShortBinString:  // of Python 2, where str was bytes: names are ASCII
      return push_text(NodeKind::kString, input_.take_number<std::uint8_t>());
    case Opcode::kBinUnicode:
    case Opcode::kBinString:
      return push_text(NodeKind::kString, input_.take_number<std::uint32_t>());
    case Opcode::kBinUnicode8:
      return push_text(NodeKind::kString, input_.take_number<std::uint64_t>());
    case Opcode::kShortBinBytes:
      return push_text(NodeKind::kBytes, input_.take_number<std::uint8_t>());
    case Opcode::kBinBytes:
      return push_text(NodeKind::kBytes, input_.take_number<std::uint32_t>());
    case Opcode::kBinBytes8:
    case Opcode::kByteArray8:
      return push_text(NodeKind::kBytes, input_.take_number<std::uint64_t>());
    default:
      return false;
  }
}

Result<bool> Machine::step_stack(Opcode opcode) {
  switch (opcode) {
    case Opcode::kMark:
      stack_.mark();
      return true;
    case Opcode::kPop:
      WPACK_TRY(stack_.pop_or_unmark());
      return true;
    case Opcode::kPopMark:
      WPACK_TRY(stack_.pop_to_mark());
      return true;
    case Opcode::kDup: {
      WPACK_ASSIGN(const NodeId id, stack_.top());
      stack_.push(id);
      return true;
    }
    case Opcode::kBinPut:
    case Opcode::kLongBinPut: {
      WPACK_ASSIGN(const std::uint64_t index, opcode == Opcode::kBinPut
                                                  ? input_.take_number<std::uint8_t>()
                                                  : input_.take_number<std::uint32_t>());
      WPACK_TRY(stack_.put(index));
      return true;
    }
    case Opcode::kMemoize:
      WPACK_TRY(stack_.put(stack_.next_memo_index()));
      return true;
    case Opcode::kBinGet:
    case Opcode::kLongBinGet: {
      WPACK_ASSIGN(const std::uint64_t index, opcode == Opcode::kBinGet
                                                  ? input_.take_number<std::uint8_t>()
                                                  : input_.take_number<std::uint32_t>());
      WPACK_TRY(stack_.get(index));
      return true;
    }
    default:
      return false;
  }
}

Result<bool> Machine::step_container(Opcode opcode) {
  switch (opcode) {
    case Opcode::kEmptyTuple:
      stack_.push(tree_.add_tuple({}));
      return true;
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3:
      WPACK_TRY(push_tuple(1 + static_cast<std::size_t>(opcode) -
                           static_cast<std::size_t>(Opcode::kTuple1)));
      return true;
    case Opcode::kEmptyList:
      stack_.push(tree_.add_container(NodeKind::kList));
      return true;
    case Opcode::kEmptyDict:
      stack_.push(tree_.add_container(NodeKind::kDict));
      return true;
    case Opcode::kEmptySet:
      stack_.push(tree_.add_container(NodeKind::kSet));
      return true;
    case Opcode::kAppend: {
      WPACK_ASSIGN(const NodeId item, stack_.pop());
      WPACK_ASSIGN(const NodeId list, stack_.top());
      WPACK_TRY(append_to_list(tree_, list, std::span(&item, 1)));
      return true;
    }
    case Opcode::kSetItem: {
      NodeId items[2] = {};
      WPACK_ASSIGN(items[1], stack_.pop());
      WPACK_ASSIGN(items[0], stack_.pop());
      WPACK_ASSIGN(const NodeId dict, stack_.top());
      WPACK_TRY(set_items(tree_, dict, items));
      return true;
    }
    default:
      break;
  }
  const bool new_container = opcode == Opcode::kTuple || opcode == Opcode::kList ||
                             opcode == Opcode::kDict || opcode == Opcode::kFrozenSet;
  if (!new_container && opcode != Opcode::kAppends && opcode != Opcode::kSetItems &&
      opcode != Opcode::kAddItems)
    return false;
  WPACK_ASSIGN(const std::vector<NodeId> items, stack_.pop_to_mark());
  if (opcode == Opcode::kTuple) {
    stack_.push(tree_.add_tuple(items));
    return true;
  }
  if (opcode == Opcode::kList) stack_.push(tree_.add_container(NodeKind::kList));
  if (opcode == Opcode::kDict) stack_.push(tree_.add_container(NodeKind::kDict));
  if (opcode == Opcode::kFrozenSet) stack_.push(tree_.add_container(NodeKind::kSet));
  WPACK_ASSIGN(const NodeId target, stack_.top());
  if (opcode == Opcode::kAppends || opcode == Opcode::kList) {
    WPACK_TRY(append_to_list(tree_, target, items));
  } else if (opcode == Opcode::kSetItems || opcode == Opcode::kDict) {
    WPACK_TRY(set_items(tree_, target, items));
  } else {
    WPACK_TRY(add_to_set(tree_, target, items));
  }
  return true;
}

Status Machine::push_global(std::string_view module, std::string_view name) {
  WPACK_ASSIGN(const NodeId global, add_checked_global(tree_, module, name));
  stack_.push(global);
  return {};
}

Status Machine::stack_global() {
  WPACK_ASSIGN(const NodeId name, stack_.pop());
  WPACK_ASSIGN(const NodeId module, stack_.pop());
  if (tree_.kind(name) != NodeKind::kString || tree_.kind(module) != NodeKind::kString)
    return bad("STACK_GLOBAL takes two strings");
  if (tree_.text(name).size() > PickleInput::kMaxLineSize ||
      tree_.text(module).size() > PickleInput::kMaxLineSize)
    return bad("a name has no end or is too long");
  return push_global(tree_.text(module), tree_.text(name));
}

Status Machine::persistent() {
  WPACK_ASSIGN(const NodeId id, stack_.pop());
  WPACK_ASSIGN(const NodeId storage, add_checked_persistent(tree_, id));
  stack_.push(storage);
  return {};
}

// REDUCE, and NEWOBJ and NEWOBJ_EX, which take a class.
Status Machine::call(bool with_keywords) {
  NodeId keywords = kNoNode;
  if (with_keywords) {
    WPACK_ASSIGN(keywords, stack_.pop());
    if (tree_.kind(keywords) != NodeKind::kDict) return bad("NEWOBJ_EX takes a dictionary");
  }
  WPACK_ASSIGN(const NodeId args, stack_.pop());
  WPACK_ASSIGN(const NodeId callable, stack_.pop());
  WPACK_ASSIGN(const NodeId made, add_call(tree_, callable, args));
  if (with_keywords && tree_.kind(made) == NodeKind::kObject)
    WPACK_TRY(extend_object(tree_, made, std::span(&keywords, 1)));
  stack_.push(made);
  return {};
}

Status Machine::build() {
  WPACK_ASSIGN(const NodeId state, stack_.pop());
  WPACK_ASSIGN(const NodeId target, stack_.top());
  return set_state(tree_, target, state);
}

Result<bool> Machine::step_object(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGlobal: {
      WPACK_ASSIGN(const std::string_view module, input_.take_line());
      WPACK_ASSIGN(const std::string_view name, input_.take_line());
      WPACK_TRY(push_global(module, name));
      return true;
    }
    case Opcode::kStackGlobal:
      WPACK_TRY(stack_global());
      return true;
    case Opcode::kBinPersistentId:
      WPACK_TRY(persistent());
      return true;
    case Opcode::kReduce:
    case Opcode::kNewObject:
    case Opcode::kNewObjectEx:
      WPACK_TRY(call(opcode == Opcode::kNewObjectEx));
      return true;
    case Opcode::kBuild:
      WPACK_TRY(build());
      return true;
    case Opcode::kProtocol:
      WPACK_TRY(protocol());
      return true;
    case Opcode::kFrame:
      WPACK_TRY(frame());
      return true;
    default:
      return false;
  }
}

Status Machine::step(Opcode opcode) {
  for (const auto family : {&Machine::step_stack, &Machine::step_scalar, &Machine::step_text,
                            &Machine::step_container, &Machine::step_object}) {
    WPACK_ASSIGN(const bool done, (this->*family)(opcode));
    if (done) return {};
  }
  const std::string_view name = refused_opcode_name(opcode);
  if (!name.empty()) return bad(fmt::format("opcode {} is not supported", name));
  return bad(fmt::format("unknown opcode {:#04x}", static_cast<unsigned>(opcode)));
}

Result<Pickle> Machine::run() {
  if (input_.remaining() == 0 || input_.peek() != Opcode::kProtocol)
    return bad("pickle protocols 0 and 1 are not supported");
  for (;;) {
    const std::size_t offset = input_.offset();
    if (input_.remaining() == 0) return bad("it ends without STOP");
    const Opcode opcode = input_.peek();
    input_.skip_opcode();
    if (opcode == Opcode::kStop) break;
    if (auto status = step(opcode); !status)
      return std::move(status).error().in(fmt::format("offset {}", offset));
    WPACK_TRY(meter_.check());
  }
  if (stack_.size() != 1 || stack_.has_marks())
    return bad(fmt::format("it ends with {} values on the stack", stack_.size()));
  if (input_.remaining() != 0)
    return bad(fmt::format("{} bytes follow its end", input_.remaining()));
  WPACK_ASSIGN(const NodeId root, stack_.top());
  return Pickle{std::move(tree_), root};
}

}  // namespace

Result<Pickle> read_pickle(Bytes bytes, MemoryMeter& meter) { return Machine(bytes, meter).run(); }

}  // namespace wpack::import
