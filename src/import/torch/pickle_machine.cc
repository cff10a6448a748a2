#include "import/torch/pickle_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/little_endian.h"
#include "import/torch/pickle_opcodes.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::uint8_t kMinProtocol = 2;
constexpr std::uint8_t kMaxProtocol = 5;
constexpr std::size_t kMaxLongSize = 1024;    // bytes of an integer
constexpr std::size_t kMaxGlobalSize = 1024;  // bytes of a module or a name

Error bad(std::string message) { return {ErrorCode::kBadInput, std::move(message)}; }

bool is_hashable(NodeKind kind) {
  return kind != NodeKind::kList && kind != NodeKind::kDict && kind != NodeKind::kSet;
}

class Machine {
 public:
  Machine(Bytes bytes, MemoryMeter& meter) : bytes_(bytes), meter_(meter), tree_(meter) {}

  Result<Pickle> run();

 private:
  // Operands. `take` advances by `size` bytes, or fails where they are not there.
  Result<Bytes> take(std::uint64_t size);
  template <typename T>
  Result<std::uint64_t> take_number();
  Result<std::string_view> take_line();
  Result<std::string_view> take_text(Result<std::uint64_t> size);

  // The stack. Nothing below the last mark is in reach.
  void push(NodeId id);
  Result<NodeId> pop();
  Result<NodeId> top() const;
  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Result<std::vector<NodeId>> pop_to_mark();
  Status pop_or_unmark();
  Status push_tuple(std::size_t count);

  // The memo.
  Status put(std::uint64_t index);
  Status get(std::uint64_t index);

  // Opcodes, by family. Each returns false for an opcode of another family.
  Result<bool> step_scalar(Opcode opcode);
  Result<bool> step_text(Opcode opcode);
  Result<bool> step_container(Opcode opcode);
  Result<bool> step_stack(Opcode opcode);
  Result<bool> step_object(Opcode opcode);

  Status protocol();
  Status frame();
  Status long_integer(Result<std::uint64_t> size);
  Status set_items(std::span<const NodeId> items);
  Status append(std::span<const NodeId> items);
  Status add_to_set(std::span<const NodeId> items);
  Status extend_object(NodeId object, std::span<const NodeId> items);
  Status push_global(std::string_view module, std::string_view name);
  Status stack_global();
  Status persistent();
  Status reduce();
  Status new_object(bool with_keywords);
  Result<NodeId> call(NodeId callable, NodeId args);
  Result<NodeId> make_dict(NodeId args);
  Result<NodeId> make_set(NodeId args);
  Result<NodeId> only_argument(NodeId args) const;
  Status append_pair(NodeId pair, std::vector<NodeId>& items) const;
  Status build();

  Bytes bytes_;
  std::size_t at_ = 0;
  MemoryMeter& meter_;
  PickleTree tree_;
  std::deque<NodeId> stack_;
  std::deque<std::size_t> marks_;  // stack heights
  std::deque<NodeId> memo_;        // the dense part, which is all that real picklers write
  std::unordered_map<std::uint64_t, NodeId> sparse_memo_;
};

Result<Bytes> Machine::take(std::uint64_t size) {
  if (size > bytes_.size() - at_)
    return bad(fmt::format("an operand of {} bytes reaches past the end", size));
  const Bytes taken = bytes_.subspan(at_, static_cast<std::size_t>(size));
  at_ += taken.size();
  return taken;
}

template <typename T>
Result<std::uint64_t> Machine::take_number() {
  WPACK_ASSIGN(const Bytes operand, take(sizeof(T)));
  return std::uint64_t{base::load_le<T>(operand.data())};
}

Result<std::string_view> Machine::take_line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_,
                              bytes_.size() - at_);
  const std::size_t size = rest.substr(0, kMaxGlobalSize + 1).find('\n');
  if (size == std::string_view::npos) return bad("a name has no end or is too long");
  at_ += size + 1;
  return rest.substr(0, size);
}

Result<std::string_view> Machine::take_text(Result<std::uint64_t> size) {
  if (!size) return std::move(size).error();
  WPACK_ASSIGN(const Bytes text, take(*size));
  return std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
}

void Machine::push(NodeId id) {
  meter_.add(sizeof(NodeId));
  stack_.push_back(id);
}

Result<NodeId> Machine::top() const {
  if (stack_.size() <= floor()) return bad("the stack is empty");
  return stack_.back();
}

Result<NodeId> Machine::pop() {
  WPACK_ASSIGN(const NodeId id, top());
  stack_.pop_back();
  meter_.subtract(sizeof(NodeId));
  return id;
}

Result<std::vector<NodeId>> Machine::pop_to_mark() {
  if (marks_.empty()) return bad("there is no mark on the stack");
  // The items exist twice for a while: here and on the stack, then here and in the tree.
  const std::uint64_t copied = (stack_.size() - marks_.back()) * sizeof(NodeId);
  meter_.add(copied);
  WPACK_TRY(meter_.check());
  meter_.subtract(copied);
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<NodeId> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  meter_.subtract(items.size() * sizeof(NodeId) + sizeof(std::size_t));
  return items;
}

// POP removes a mark where one is on top.
Status Machine::pop_or_unmark() {
  if (!marks_.empty() && stack_.size() == marks_.back()) {
    marks_.pop_back();
    meter_.subtract(sizeof(std::size_t));
    return {};
  }
  WPACK_TRY(pop());
  return {};
}

Status Machine::push_tuple(std::size_t count) {
  NodeId items[3] = {};
  for (std::size_t i = count; i-- > 0;) {
    WPACK_ASSIGN(items[i], pop());
  }
  push(tree_.add_tuple(std::span(items).first(count)));
  return {};
}

Status Machine::put(std::uint64_t index) {
  WPACK_ASSIGN(const NodeId id, top());
  if (index > memo_.size() || sparse_memo_.contains(index)) {
    constexpr std::uint64_t kMapEntry = 64;  // roughly
    if (sparse_memo_.insert_or_assign(index, id).second) meter_.add(kMapEntry);
  } else if (index < memo_.size()) {
    memo_[static_cast<std::size_t>(index)] = id;
  } else {
    meter_.add(sizeof(NodeId));
    memo_.push_back(id);
  }
  return {};
}

Status Machine::get(std::uint64_t index) {
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

Status Machine::protocol() {
  WPACK_ASSIGN(const std::uint64_t version, take_number<std::uint8_t>());
  if (version < kMinProtocol || version > kMaxProtocol)
    return bad(fmt::format("pickle protocol {} is not supported", version));
  return {};
}

Status Machine::frame() {
  WPACK_ASSIGN(const std::uint64_t size, take_number<std::uint64_t>());
  if (size > bytes_.size() - at_)
    return bad(fmt::format("a frame of {} bytes reaches past the end", size));
  return {};
}

Status Machine::long_integer(Result<std::uint64_t> size) {
  if (!size) return std::move(size).error();
  if (*size > kMaxLongSize) return bad(fmt::format("an integer of {} bytes is too long", *size));
  WPACK_ASSIGN(const Bytes digits, take(*size));
  if (digits.size() > sizeof(std::int64_t)) {
    const std::string_view text(reinterpret_cast<const char*>(digits.data()), digits.size());
    push(tree_.add_text(NodeKind::kBigInteger, text));
    return {};
  }
  const bool negative = !digits.empty() && (digits.back() & std::byte{0x80}) != std::byte{0};
  std::byte extended[sizeof(std::uint64_t)];
  std::ranges::fill(extended, negative ? std::byte{0xFF} : std::byte{0});
  std::ranges::copy(digits, extended);
  push(tree_.add_integer(static_cast<std::int64_t>(base::load_le<std::uint64_t>(extended))));
  return {};
}

Result<bool> Machine::step_scalar(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNone:
      push(tree_.none());
      return true;
    case Opcode::kNewTrue:
    case Opcode::kNewFalse:
      push(tree_.boolean_node(opcode == Opcode::kNewTrue));
      return true;
    case Opcode::kBinInt: {
      WPACK_ASSIGN(const std::uint64_t value, take_number<std::uint32_t>());
      push(tree_.add_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(value))));
      return true;
    }
    case Opcode::kBinInt1: {
      WPACK_ASSIGN(const std::uint64_t value, take_number<std::uint8_t>());
      push(tree_.add_integer(static_cast<std::int64_t>(value)));
      return true;
    }
    case Opcode::kBinInt2: {
      WPACK_ASSIGN(const std::uint64_t value, take_number<std::uint16_t>());
      push(tree_.add_integer(static_cast<std::int64_t>(value)));
      return true;
    }
    case Opcode::kLong1:
      WPACK_TRY(long_integer(take_number<std::uint8_t>()));
      return true;
    case Opcode::kLong4:
      WPACK_TRY(long_integer(take_number<std::uint32_t>()));
      return true;
    case Opcode::kBinFloat: {
      WPACK_ASSIGN(const std::uint64_t reversed, take_number<std::uint64_t>());
      push(tree_.add_float(std::bit_cast<double>(__builtin_bswap64(reversed))));
      return true;
    }
    default:
      return false;
  }
}

Result<bool> Machine::step_text(Opcode opcode) {
  const auto push_text = [this](NodeKind kind, Result<std::uint64_t> size) -> Result<bool> {
    WPACK_ASSIGN(const std::string_view text, take_text(std::move(size)));
    push(tree_.add_text(kind, text));
    return true;
  };
  switch (opcode) {
    case Opcode::kShortBinUnicode:
    case Opcode::kShortBinString:  // of Python 2, where str was bytes: names are ASCII
      return push_text(NodeKind::kString, take_number<std::uint8_t>());
    case Opcode::kBinUnicode:
    case Opcode::kBinString:
      return push_text(NodeKind::kString, take_number<std::uint32_t>());
    case Opcode::kBinUnicode8:
      return push_text(NodeKind::kString, take_number<std::uint64_t>());
    case Opcode::kShortBinBytes:
      return push_text(NodeKind::kBytes, take_number<std::uint8_t>());
    case Opcode::kBinBytes:
      return push_text(NodeKind::kBytes, take_number<std::uint32_t>());
    case Opcode::kBinBytes8:
    case Opcode::kByteArray8:
      return push_text(NodeKind::kBytes, take_number<std::uint64_t>());
    default:
      return false;
  }
}

Result<bool> Machine::step_stack(Opcode opcode) {
  switch (opcode) {
    case Opcode::kMark:
      meter_.add(sizeof(std::size_t));
      marks_.push_back(stack_.size());
      return true;
    case Opcode::kPop:
      WPACK_TRY(pop_or_unmark());
      return true;
    case Opcode::kPopMark:
      WPACK_TRY(pop_to_mark());
      return true;
    case Opcode::kDup: {
      WPACK_ASSIGN(const NodeId id, top());
      push(id);
      return true;
    }
    case Opcode::kBinPut:
    case Opcode::kLongBinPut: {
      WPACK_ASSIGN(const std::uint64_t index, opcode == Opcode::kBinPut
                                                  ? take_number<std::uint8_t>()
                                                  : take_number<std::uint32_t>());
      WPACK_TRY(put(index));
      return true;
    }
    case Opcode::kMemoize:
      WPACK_TRY(put(memo_.size()));
      return true;
    case Opcode::kBinGet:
    case Opcode::kLongBinGet: {
      WPACK_ASSIGN(const std::uint64_t index, opcode == Opcode::kBinGet
                                                  ? take_number<std::uint8_t>()
                                                  : take_number<std::uint32_t>());
      WPACK_TRY(get(index));
      return true;
    }
    default:
      return false;
  }
}

Result<bool> Machine::step_container(Opcode opcode) {
  switch (opcode) {
    case Opcode::kEmptyTuple:
      push(tree_.add_tuple({}));
      return true;
    case Opcode::kTuple1:
    case Opcode::kTuple2:
    case Opcode::kTuple3:
      WPACK_TRY(push_tuple(1 + static_cast<std::size_t>(opcode) -
                           static_cast<std::size_t>(Opcode::kTuple1)));
      return true;
    case Opcode::kEmptyList:
      push(tree_.add_container(NodeKind::kList));
      return true;
    case Opcode::kEmptyDict:
      push(tree_.add_container(NodeKind::kDict));
      return true;
    case Opcode::kEmptySet:
      push(tree_.add_container(NodeKind::kSet));
      return true;
    case Opcode::kAppend: {
      WPACK_ASSIGN(const NodeId item, pop());
      WPACK_TRY(append(std::span(&item, 1)));
      return true;
    }
    case Opcode::kSetItem: {
      NodeId items[2] = {};
      WPACK_ASSIGN(items[1], pop());
      WPACK_ASSIGN(items[0], pop());
      WPACK_TRY(set_items(items));
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
  WPACK_ASSIGN(const std::vector<NodeId> items, pop_to_mark());
  if (opcode == Opcode::kTuple) {
    push(tree_.add_tuple(items));
    return true;
  }
  if (opcode == Opcode::kList) push(tree_.add_container(NodeKind::kList));
  if (opcode == Opcode::kDict) push(tree_.add_container(NodeKind::kDict));
  if (opcode == Opcode::kFrozenSet) push(tree_.add_container(NodeKind::kSet));
  if (opcode == Opcode::kAppends || opcode == Opcode::kList) {
    WPACK_TRY(append(items));
  } else if (opcode == Opcode::kSetItems || opcode == Opcode::kDict) {
    WPACK_TRY(set_items(items));
  } else {
    WPACK_TRY(add_to_set(items));
  }
  return true;
}

Status Machine::append(std::span<const NodeId> items) {
  WPACK_ASSIGN(const NodeId target, top());
  if (tree_.kind(target) == NodeKind::kObject) return extend_object(target, items);
  if (tree_.kind(target) != NodeKind::kList)
    return bad(fmt::format("appends to a value that is no list ({})", kind_name(tree_, target)));
  tree_.append_items(target, items);
  return {};
}

Status Machine::set_items(std::span<const NodeId> items) {
  WPACK_ASSIGN(const NodeId target, top());
  if (items.size() % 2 != 0) return bad("a dictionary gets a key without a value");
  if (tree_.kind(target) == NodeKind::kObject) return extend_object(target, items);
  if (tree_.kind(target) != NodeKind::kDict) {
    return bad(fmt::format("sets an item of a value that is no dictionary ({})",
                           kind_name(tree_, target)));
  }
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (!is_hashable(tree_.kind(items[i])))
      return bad(fmt::format("a dictionary has a {} as key", kind_name(tree_, items[i])));
  }
  tree_.append_items(target, items);
  return {};
}

Status Machine::add_to_set(std::span<const NodeId> items) {
  WPACK_ASSIGN(const NodeId target, top());
  if (tree_.kind(target) == NodeKind::kObject) return extend_object(target, items);
  if (tree_.kind(target) != NodeKind::kSet)
    return bad(fmt::format("adds to a value that is no set ({})", kind_name(tree_, target)));
  tree_.append_items(target, items);
  return {};
}

// Objects of unknown classes may derive from dict, list or set.
Status Machine::extend_object(NodeId object, std::span<const NodeId> items) {
  const PickleGlobal& global = tree_.global(tree_.object(object).callable);
  if (global.info.role != GlobalRole::kUnknown)
    return bad(fmt::format("adds items to what {} makes", global.text()));
  if (tree_.object(object).items == kNoNode)
    tree_.mutable_object(object).items = tree_.add_container(NodeKind::kList);
  tree_.append_items(tree_.object(object).items, items);
  return {};
}

Status Machine::push_global(std::string_view module, std::string_view name) {
  const PickleGlobal global{module, name, classify_global(module, name)};
  if (global.info.role == GlobalRole::kDangerous) {
    return bad(
        fmt::format("it refers to {}, which can run code: the file is not trusted", global.text()));
  }
  push(tree_.add_global(global));
  return {};
}

Status Machine::stack_global() {
  WPACK_ASSIGN(const NodeId name, pop());
  WPACK_ASSIGN(const NodeId module, pop());
  if (tree_.kind(name) != NodeKind::kString || tree_.kind(module) != NodeKind::kString)
    return bad("STACK_GLOBAL takes two strings");
  if (tree_.text(name).size() > kMaxGlobalSize || tree_.text(module).size() > kMaxGlobalSize)
    return bad("a name has no end or is too long");
  return push_global(tree_.text(module), tree_.text(name));
}

Status Machine::persistent() {
  WPACK_ASSIGN(const NodeId id, pop());
  constexpr std::size_t kItems = 5;  // 'storage', class, key, location, count
  const bool valid = tree_.kind(id) == NodeKind::kTuple && tree_.tuple(id).size() == kItems &&
                     tree_.kind(tree_.tuple(id)[0]) == NodeKind::kString &&
                     tree_.text(tree_.tuple(id)[0]) == "storage";
  if (!valid) return bad("a persistent id is no ('storage', class, key, location, count)");
  push(tree_.add_persistent(id));
  return {};
}

Status Machine::reduce() {
  WPACK_ASSIGN(const NodeId args, pop());
  WPACK_ASSIGN(const NodeId callable, pop());
  WPACK_ASSIGN(const NodeId made, call(callable, args));
  push(made);
  return {};
}

Status Machine::new_object(bool with_keywords) {
  NodeId keywords = kNoNode;
  if (with_keywords) {
    WPACK_ASSIGN(keywords, pop());
  }
  WPACK_ASSIGN(const NodeId args, pop());
  WPACK_ASSIGN(const NodeId type, pop());
  if (keywords != kNoNode && tree_.kind(keywords) != NodeKind::kDict)
    return bad("NEWOBJ_EX takes a dictionary");
  WPACK_ASSIGN(const NodeId made, call(type, args));
  if (keywords != kNoNode && tree_.kind(made) == NodeKind::kObject) {
    WPACK_TRY(extend_object(made, std::span(&keywords, 1)));
  }
  push(made);
  return {};
}

Result<NodeId> Machine::call(NodeId callable, NodeId args) {
  if (tree_.kind(callable) != NodeKind::kGlobal)
    return bad(fmt::format("it calls a value that is no global ({})", kind_name(tree_, callable)));
  if (tree_.kind(args) != NodeKind::kTuple) return bad("it calls without a tuple of arguments");
  const PickleGlobal& global = tree_.global(callable);
  switch (global.info.role) {
    case GlobalRole::kDictClass:
      return make_dict(args);
    case GlobalRole::kSetClass:
      return make_set(args);
    case GlobalRole::kSizeClass:
      if (tree_.tuple(args).size() != 1 || tree_.kind(tree_.tuple(args)[0]) != NodeKind::kTuple)
        return bad("torch.Size takes one tuple");
      return tree_.tuple(args)[0];
    case GlobalRole::kDType:
    case GlobalRole::kStorageClass:
      return bad(fmt::format("it calls {}, which is no function", global.text()));
    default:
      return tree_.add_object(callable, args);
  }
}

// OrderedDict() and Counter({...}) are what newer Pythons write, OrderedDict([[key, value], ...])
// older ones, defaultdict(factory) all.
Result<NodeId> Machine::make_dict(NodeId args) {
  WPACK_ASSIGN(const NodeId source, only_argument(args));
  const NodeId dict = tree_.add_container(NodeKind::kDict);
  if (source == kNoNode || tree_.kind(source) == NodeKind::kGlobal ||
      tree_.kind(source) == NodeKind::kNone)
    return dict;
  std::vector<NodeId> items;
  ItemCursor cursor(tree_, source);
  if (tree_.kind(source) == NodeKind::kDict) {
    for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) items.push_back(item);
  } else if (tree_.kind(source) == NodeKind::kList) {
    for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next())
      WPACK_TRY(append_pair(item, items));
  } else {
    return bad(fmt::format("a dictionary is made from a {}", kind_name(tree_, source)));
  }
  tree_.append_items(dict, items);
  return dict;
}

Result<NodeId> Machine::make_set(NodeId args) {
  WPACK_ASSIGN(const NodeId source, only_argument(args));
  const NodeId set = tree_.add_container(NodeKind::kSet);
  if (source == kNoNode) return set;
  const NodeKind kind = tree_.kind(source);
  if (kind != NodeKind::kList && kind != NodeKind::kTuple && kind != NodeKind::kSet)
    return bad(fmt::format("a set is made from a {}", kind_name(tree_, source)));
  std::vector<NodeId> items;
  ItemCursor cursor(tree_, source);
  for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) items.push_back(item);
  tree_.append_items(set, items);
  return set;
}

// Returns kNoNode where there is none.
Result<NodeId> Machine::only_argument(NodeId args) const {
  const auto all = tree_.tuple(args);
  if (all.size() > 1) return bad(fmt::format("a container is made from {} values", all.size()));
  return all.empty() ? kNoNode : all.front();
}

Status Machine::append_pair(NodeId pair, std::vector<NodeId>& items) const {
  const NodeKind kind = tree_.kind(pair);
  const Error no_pair = bad("a dictionary is made from items that are no pairs");
  if (kind != NodeKind::kTuple && kind != NodeKind::kList) return no_pair;
  ItemCursor cursor(tree_, pair);
  const NodeId key = cursor.next();
  const NodeId value = key == kNoNode ? kNoNode : cursor.next();
  if (value == kNoNode || cursor.next() != kNoNode || !is_hashable(tree_.kind(key))) return no_pair;
  items.push_back(key);
  items.push_back(value);
  return {};
}

// The state of a dictionary is its attributes (`_metadata` of every state_dict): not kept.
Status Machine::build() {
  WPACK_ASSIGN(const NodeId state, pop());
  WPACK_ASSIGN(const NodeId target, top());
  if (tree_.kind(target) == NodeKind::kDict) return {};
  if (tree_.kind(target) != NodeKind::kObject)
    return bad(fmt::format("builds a value that has no state ({})", kind_name(tree_, target)));
  if (tree_.object(target).state != kNoNode) return bad("builds an object twice");
  tree_.mutable_object(target).state = state;
  return {};
}

Result<bool> Machine::step_object(Opcode opcode) {
  switch (opcode) {
    case Opcode::kGlobal: {
      WPACK_ASSIGN(const std::string_view module, take_line());
      WPACK_ASSIGN(const std::string_view name, take_line());
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
      WPACK_TRY(reduce());
      return true;
    case Opcode::kNewObject:
    case Opcode::kNewObjectEx:
      WPACK_TRY(new_object(opcode == Opcode::kNewObjectEx));
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

Result<Pickle> Machine::run() {
  if (bytes_.empty() || static_cast<Opcode>(bytes_[0]) != Opcode::kProtocol)
    return bad("pickle protocols 0 and 1 are not supported");
  for (;;) {
    const std::size_t offset = at_;
    const auto in_place = [offset](Error error) {
      return std::move(error).in(fmt::format("offset {}", offset));
    };
    if (at_ == bytes_.size()) return in_place(bad("it ends without STOP"));
    const auto opcode = static_cast<Opcode>(bytes_[at_++]);
    if (opcode == Opcode::kStop) break;
    bool done = false;
    for (const auto family : {&Machine::step_stack, &Machine::step_scalar, &Machine::step_text,
                              &Machine::step_container, &Machine::step_object}) {
      auto handled = (this->*family)(opcode);
      if (!handled) return in_place(std::move(handled).error());
      done = *handled;
      if (done) break;
    }
    if (!done) {
      const std::string_view name = refused_opcode_name(opcode);
      return in_place(bad(name.empty()
                              ? fmt::format("unknown opcode {:#04x}", static_cast<unsigned>(opcode))
                              : fmt::format("opcode {} is not supported", name)));
    }
    WPACK_TRY(meter_.check());
  }
  if (stack_.size() != 1 || !marks_.empty())
    return bad(fmt::format("it ends with {} values on the stack", stack_.size()));
  if (at_ != bytes_.size()) return bad(fmt::format("{} bytes follow its end", bytes_.size() - at_));
  const NodeId root = stack_.front();
  return Pickle{std::move(tree_), root};
}

}  // namespace

Result<Pickle> read_pickle(Bytes bytes, MemoryMeter& meter) { return Machine(bytes, meter).run(); }

}  // namespace wpack::import
