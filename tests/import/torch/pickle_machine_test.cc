#include "import/torch/pickle_machine.h"

#include <gtest/gtest.h>

#include <functional>

#include "import/torch/metadata_text.h"
#include "support/pickle_builder.h"
#include "support/result_matchers.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::PickleBuilder;

// `text` must outlive the result.
Result<Pickle> read(const std::string& text, std::uint64_t budget = MemoryMeter::kDefaultBudget) {
  MemoryMeter meter(budget);
  return read_pickle(std::as_bytes(std::span(text)), meter);
}

// The value of a scalar, as metadata writes it.
std::string scalar(const std::string& text) {
  const auto pickle = read(text);
  if (!pickle) return "error: " + pickle.error().message();
  const auto entry = to_metadata(pickle->tree, pickle->root);
  return entry ? entry->value : kind_name(pickle->tree, pickle->root);
}

std::vector<NodeId> items(const PickleTree& tree, NodeId container) {
  std::vector<NodeId> all;
  ItemCursor cursor(tree, container);
  for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) all.push_back(item);
  return all;
}

TEST(PickleMachineTest, ReadsScalars) {
  const auto one = [](auto&& build) {
    PickleBuilder builder;
    build(builder);
    return scalar(builder.stop());
  };
  EXPECT_EQ(one([](auto& b) { b.none(); }), "");
  EXPECT_EQ(one([](auto& b) { b.boolean(true); }), "true");
  EXPECT_EQ(one([](auto& b) { b.raw("K\xFF"); }), "255");
  EXPECT_EQ(one([](auto& b) { b.raw("M\x01\x02"); }), "513");
  EXPECT_EQ(one([](auto& b) { b.raw("J").number(0xFFFFFFFE, 4); }), "-2");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8A").byte(0); }), "0");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8A").byte(1).byte(0x80); }), "-128");
  EXPECT_EQ(one([](auto& b) { b.integer(INT64_MIN); }), "-9223372036854775808");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8A").byte(9).number(0, 8).byte(1); }),
            "18446744073709551616");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8B").number(9, 4).number(0, 8).byte(0xFF); }),
            "-18446744073709551616");
  EXPECT_EQ(one([](auto& b) { b.floating(0.1); }), "0.1");
  EXPECT_EQ(one([](auto& b) { b.floating(-1e300); }), "-1e+300");
  EXPECT_EQ(one([](auto& b) { b.string("t\xC3\xA9xt"); }), "t\xC3\xA9xt");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8C").byte(2).raw("ab"); }), "ab");
  EXPECT_EQ(one([](auto& b) { b.raw("\x8D").number(2, 8).raw("ab"); }), "ab");
  EXPECT_EQ(one([](auto& b) { b.raw("U").byte(2).raw("ab"); }), "ab");
  EXPECT_EQ(one([](auto& b) { b.raw("T").number(2, 4).raw("ab"); }), "ab");
  EXPECT_EQ(one([](auto& b) { b.bytes("ab"); }), "bytes");
  EXPECT_EQ(one([](auto& b) { b.raw("\x96").number(2, 8).raw("ab"); }), "bytes");
}

TEST(PickleMachineTest, ReadsDecimalsOfAnyLength) {
  EXPECT_EQ(decimal_text({}), "0");
  EXPECT_EQ(decimal_text(std::string(12, '\0')), "0");
  EXPECT_EQ(decimal_text(std::string(9, '\xFF')), "-1");
  EXPECT_EQ(decimal_text(std::string(12, '\0') + '\1'), "79228162514264337593543950336");
  EXPECT_EQ(decimal_text(std::string("\x00\xCA\x9A\x3B", 4) + std::string(5, '\0')), "1000000000");
  EXPECT_EQ(decimal_text(std::string(15, '\0') + '\x80'),
            "-170141183460469231731687303715884105728");
}

TEST(PickleMachineTest, ReadsContainersInOrder) {
  PickleBuilder builder(4);
  builder.empty_list().mark().integer(1).integer(2).appends().integer(300).append();
  const std::string text = builder.stop();
  ASSERT_OK_AND_ASSIGN(const Pickle pickle, read(text));
  const auto list = items(pickle.tree, pickle.root);
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(pickle.tree.integer(list[2]), 300);
  EXPECT_EQ(pickle.tree.item_count(pickle.root), 3U);
}

TEST(PickleMachineTest, ReadsClassesThatAreDictionaries) {
  const PickleBuilder cases[] = {
      PickleBuilder().ordered_dict().string("k").integer(5).set_item(),
      PickleBuilder()
          .global("collections", "Counter")
          .empty_dict()
          .string("k")
          .integer(5)
          .set_item()
          .tuple1()
          .reduce(),
      PickleBuilder()
          .global("collections", "defaultdict")
          .global("__builtin__", "list")
          .tuple1()
          .reduce()
          .string("k")
          .integer(5)
          .set_item(),
      PickleBuilder()
          .global("collections", "OrderedDict")
          .empty_list()
          .empty_list()
          .mark()
          .string("k")
          .integer(5)
          .appends()
          .append()
          .tuple1()
          .reduce(),
      PickleBuilder().mark().string("k").integer(5).raw("d"),
      PickleBuilder()
          .ordered_dict()
          .string("k")
          .integer(5)
          .set_item()
          .empty_dict()
          .string("_metadata")
          .none()
          .set_item()
          .build(),
  };
  for (const PickleBuilder& builder : cases) {
    const std::string text = builder.stop();
    ASSERT_OK_AND_ASSIGN(const Pickle pickle, read(text));
    ASSERT_EQ(pickle.tree.kind(pickle.root), NodeKind::kDict);
    const auto dict = items(pickle.tree, pickle.root);
    ASSERT_EQ(dict.size(), 2U);
    EXPECT_EQ(pickle.tree.text(dict[0]), "k");
    EXPECT_EQ(pickle.tree.integer(dict[1]), 5);
  }
}

TEST(PickleMachineTest, ReadsSetsSizesAndObjects) {
  const auto kind = [](const PickleBuilder& builder) {
    const std::string text = builder.stop();
    const auto pickle = read(text);
    return pickle ? kind_name(pickle->tree, pickle->root) : pickle.error().message();
  };
  EXPECT_EQ(kind(PickleBuilder(4).empty_set().mark().integer(1).add_items()), "set");
  EXPECT_EQ(kind(PickleBuilder(4).mark().integer(1).raw("\x91")), "set");
  EXPECT_EQ(kind(PickleBuilder().global("__builtin__", "set").empty_list().tuple1().reduce()),
            "set");
  EXPECT_EQ(kind(PickleBuilder().global("torch", "Size").numbers({2, 3}).tuple1().reduce()),
            "tuple");
  EXPECT_EQ(kind(PickleBuilder().global("m", "C").empty_tuple().new_object()), "m.C");
  EXPECT_EQ(kind(PickleBuilder().global("m", "C").empty_tuple().empty_dict().raw("\x92")), "m.C");
  EXPECT_EQ(
      kind(PickleBuilder(4).stack_global("m", "C").empty_tuple().reduce().empty_dict().build()),
      "m.C");
  EXPECT_EQ(kind(PickleBuilder()
                     .global("m", "C")
                     .empty_tuple()
                     .new_object()
                     .string("k")
                     .none()
                     .set_item()),
            "m.C");
}

TEST(PickleMachineTest, ReadsTheMemo) {
  EXPECT_EQ(scalar(PickleBuilder().integer(7).put(0).raw("0").get(0).stop()), "7");
  EXPECT_EQ(scalar(PickleBuilder(4).integer(7).byte(0x94).raw("0").get(0).stop()), "7");
  EXPECT_EQ(scalar(PickleBuilder()
                       .integer(7)
                       .raw("r")
                       .number(0x7FFFFFFF, 4)
                       .raw("0j")
                       .number(0x7FFFFFFF, 4)
                       .stop()),
            "7");
  // Written far ahead, then again: the last one counts.
  EXPECT_EQ(scalar(PickleBuilder()
                       .integer(7)
                       .put(1)
                       .put(0)
                       .raw("0")
                       .integer(8)
                       .put(1)
                       .raw("0")
                       .get(1)
                       .stop()),
            "8");
  EXPECT_EQ(scalar(PickleBuilder().integer(7).raw("20").stop()), "7");
  EXPECT_EQ(scalar(PickleBuilder().integer(7).raw("(00").integer(9).stop()), "9");
  EXPECT_EQ(scalar(PickleBuilder().integer(7).mark().integer(1).raw("1").stop()), "7");
}

TEST(PickleMachineTest, SurvivesNestingWithoutEnd) {
  std::string deep = PickleBuilder().unfinished();
  constexpr int kDepth = 200'000;
  for (int i = 0; i < kDepth; ++i) deep += "]";
  for (int i = 1; i < kDepth; ++i) deep += "a";
  EXPECT_THAT(read(deep + "."), IsOk());
}

TEST(PickleMachineTest, SurvivesAListInItself) {
  const std::string text = PickleBuilder().empty_list().put(0).get(0).append().stop();
  ASSERT_OK_AND_ASSIGN(const Pickle pickle, read(text));
  EXPECT_EQ(items(pickle.tree, pickle.root), std::vector<NodeId>{pickle.root});
}

struct Refused {
  const char* what;
  std::string pickle;
  const char* part;
};

std::vector<Refused> refused_pickles() {
  const auto start = [] { return PickleBuilder(); };
  std::vector<Refused> cases = {
      {"nothing", "", "protocols 0 and 1"},
      {"no protocol", "N.", "protocols 0 and 1"},
      {"protocol 1", PickleBuilder(1).none().stop(), "pickle protocol 1"},
      {"protocol 6", PickleBuilder(6).none().stop(), "pickle protocol 6"},
      {"protocol 255", PickleBuilder(255).none().stop(), "pickle protocol 255"},
      {"no STOP", start().none().unfinished(), "ends without STOP"},
      {"an empty stack", start().stop(), "0 values on the stack"},
      {"two values", start().none().none().stop(), "2 values on the stack"},
      {"an open mark", start().mark().none().stop(), "values on the stack"},
      {"bytes behind STOP", start().none().stop() + "x", "1 bytes follow its end"},
      {"an unknown opcode", start().raw("\xFF").stop(), "unknown opcode 0xff"},
      {"a string without end", start().raw("X").number(100, 4).raw("ab").stop(), "reaches past"},
      {"a string of 4 GiB", start().raw("X").number(0xFFFFFFFF, 4).stop(), "reaches past"},
      {"a string of 2^64", start().raw("\x8D").number(~0ULL, 8).stop(), "reaches past"},
      {"bytes of 2^63", start().raw("\x8E").number(1ULL << 63, 8).stop(), "reaches past"},
      {"a bytearray of 2^40", start().raw("\x96").number(1ULL << 40, 8).stop(), "reaches past"},
      {"an integer cut short", start().raw("J\1").stop(), "reaches past"},
      {"a huge integer", start().raw("\x8B").number(2000, 4).raw(std::string(2000, '1')).stop(),
       "2000 bytes is too long"},
      {"a negative length", start().raw("\x8B").number(0xFFFFFFFF, 4).stop(), "too long"},
      {"a frame past the end", PickleBuilder(4).raw("\x95").number(99, 8).none().stop(),
       "a frame of 99 bytes"},
      {"a global without end", start().raw("cos").stop(), "no end or is too long"},
      {"a global that is too long", start().global(std::string(2000, 'm'), "n").stop(),
       "no end or is too long"},
      {"POP of nothing", start().raw("0").stop(), "stack is empty"},
      {"DUP of nothing", start().raw("2").stop(), "stack is empty"},
      {"DUP of a mark", start().none().mark().raw("2").stop(), "stack is empty"},
      {"TUPLE without mark", start().none().tuple().stop(), "no mark"},
      {"TUPLE3 of two", start().none().none().raw("\x87").stop(), "stack is empty"},
      {"TUPLE1 across a mark", start().none().mark().tuple1().stop(), "stack is empty"},
      {"POP_MARK without mark", start().raw("1").stop(), "no mark"},
      {"APPENDS without mark", start().empty_list().appends().stop(), "no mark"},
      {"APPENDS without list", start().mark().none().appends().stop(), "stack is empty"},
      {"SETITEM of nothing", start().empty_dict().none().set_item().stop(), "stack is empty"},
      {"SETITEMS of an odd count", start().empty_dict().mark().none().set_items().stop(),
       "key without a value"},
      {"SETITEM on a list", start().empty_list().none().none().set_item().stop(),
       "no dictionary (list)"},
      {"SETITEM on a number", start().integer(1).none().none().set_item().stop(),
       "no dictionary (int)"},
      {"SETITEM on a tensor", start().tensor("0", 1, {1}, {1}).none().none().set_item().stop(),
       "adds items to what torch._utils._rebuild_tensor_v2 makes"},
      {"SETITEM on a storage",
       start().storage("FloatStorage", "0", 1).none().none().set_item().stop(),
       "no dictionary (storage)"},
      {"SETITEM with a list as key", start().empty_dict().empty_list().none().set_item().stop(),
       "a list as key"},
      {"APPEND to a dictionary", start().empty_dict().none().append().stop(), "no list (dict)"},
      {"APPEND to a tuple", start().empty_tuple().none().append().stop(), "no list (tuple)"},
      {"ADDITEMS to a list", start().empty_list().mark().none().add_items().stop(),
       "no set (list)"},
      {"GET of nothing", start().get(0).stop(), "memo entry 0 was never written"},
      {"PUT of nothing", start().put(0).stop(), "stack is empty"},
      {"LONG_BINGET far away", start().raw("j").number(0xFFFFFFFF, 4).stop(), "memo entry"},
      {"MEMOIZE of nothing", PickleBuilder(4).byte(0x94).stop(), "stack is empty"},
      {"REDUCE of a number", start().integer(1).empty_tuple().reduce().stop(), "no global (int)"},
      {"REDUCE of a result",
       start().global("m", "f").empty_tuple().reduce().empty_tuple().reduce().stop(),
       "no global (m.f)"},
      {"REDUCE without tuple", start().global("m", "f").none().reduce().stop(),
       "without a tuple of arguments"},
      {"REDUCE of a type", start().global("torch", "float32").empty_tuple().reduce().stop(),
       "calls torch.float32, which is no function"},
      {"REDUCE of a storage class",
       start().global("torch", "FloatStorage").empty_tuple().reduce().stop(),
       "calls torch.FloatStorage"},
      {"torch.Size of a number",
       start().global("torch", "Size").integer(1).tuple1().reduce().stop(), "torch.Size takes"},
      {"a dictionary of numbers",
       start().global("collections", "OrderedDict").integer(1).tuple1().reduce().stop(),
       "made from a int"},
      {"a dictionary of no pairs",
       start()
           .global("collections", "OrderedDict")
           .empty_list()
           .none()
           .append()
           .tuple1()
           .reduce()
           .stop(),
       "no pairs"},
      {"a set of a number", start().global("builtins", "set").integer(1).tuple1().reduce().stop(),
       "made from a int"},
      {"NEWOBJ_EX without keywords",
       start().global("m", "C").empty_tuple().none().raw("\x92").stop(), "takes a dictionary"},
      {"STACK_GLOBAL of numbers", PickleBuilder(4).integer(1).integer(2).byte(0x93).stop(),
       "takes two strings"},
      {"BUILD of a number", start().integer(1).none().build().stop(), "no state (int)"},
      {"BUILD twice",
       start().global("m", "C").empty_tuple().new_object().none().build().none().build().stop(),
       "builds an object twice"},
      {"a persistent number", start().integer(1).persistent().stop(), "a persistent id"},
      {"a persistent tuple of 4", start().numbers({1, 2, 3, 4}).persistent().stop(),
       "a persistent id"},
      {"a persistent module",
       start().mark().string("module").none().none().none().none().tuple().persistent().stop(),
       "a persistent id"},
      {"os.system", start().global("os", "system").string("id").tuple1().reduce().stop(),
       "os.system, which can run code"},
      {"posix.system by name", PickleBuilder(4).stack_global("posix", "system").stop(),
       "posix.system, which can run code"},
      {"getattr", start().global("__builtin__", "getattr").stop(), "__builtin__.getattr"},
      {"an escaped name", start().global("os", "\x1b[31m").stop(), "os.\\x1b[31m"},
  };
  const std::pair<const char*, const char*> text_opcodes[] = {
      {"F1.0\n", "FLOAT"},
      {"I1\n", "INT"},
      {"L1L\n", "LONG"},
      {"P0\n", "PERSID"},
      {"S'a'\n", "STRING"},
      {"Va\n", "UNICODE"},
      {"g0\n", "GET"},
      {"p0\n", "PUT"},
      {"ios\nsystem\n", "INST"},
      {"o", "OBJ"},
      {"\x82\1", "EXT1"},
      {"\x83\1\1", "EXT2"},
      {"\x84\1\1\1\1", "EXT4"},
      {"\x97", "NEXT_BUFFER"},
      {"\x98", "READONLY_BUFFER"},
  };
  for (const auto& [text, name] : text_opcodes)
    cases.push_back({name, start().raw(text).stop(), name});
  return cases;
}

TEST(PickleMachineTest, RejectsWhatNoCheckpointHolds) {
  for (const Refused& refused : refused_pickles()) {
    SCOPED_TRACE(refused.what);
    EXPECT_THAT(read(refused.pickle), Fails(ErrorCode::kBadInput, refused.part));
  }
}

TEST(PickleMachineTest, RejectsWithTheOffset) {
  EXPECT_THAT(read(PickleBuilder().none().none().get(3).stop()),
              Fails(ErrorCode::kBadInput, "offset 4: memo entry 3"));
}

TEST(PickleMachineTest, RejectsWhatTakesTooMuchMemory) {
  const std::pair<const char*, std::string> cases[] = {
      {"lists", std::string(20'000, ']')},
      {"a deep stack", std::string(40'000, 'N')},
      {"marks", std::string(20'000, '(')},
      {"globals",
       [] {
         std::string text;
         for (int i = 0; i < 3000; ++i) text += "ca\nb\n";
         return text;
       }()},
      {"a sparse memo",
       [] {
         PickleBuilder builder;
         builder.none();
         for (unsigned i = 0; i < 3000; ++i) builder.raw("r").number(5000 + i * 1000, 4);
         return builder.unfinished().substr(2);
       }()},
      {"copied dictionaries",
       [] {
         PickleBuilder builder;
         builder.empty_dict().put(0).mark();
         for (int i = 0; i < 100; ++i) builder.none().none();
         builder.set_items();
         for (int i = 0; i < 500; ++i)
           builder.global("collections", "OrderedDict").get(0).tuple1().reduce().raw("0");
         return builder.unfinished().substr(2);
       }()},
  };
  for (const auto& [what, text] : cases) {
    SCOPED_TRACE(what);
    EXPECT_THAT(read(PickleBuilder().unfinished() + text, 100'000),
                Fails(ErrorCode::kLimit, "metadata takes more than"));
  }
}

TEST(PickleMachineTest, RejectsEveryTruncation) {
  const std::string text =
      PickleBuilder(4).empty_dict().string("x").tensor("0", 2, {2}, {1}).set_item().stop();
  EXPECT_THAT(read(text), IsOk());
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THAT(read(text.substr(0, size)), Fails(ErrorCode::kBadInput, "")) << size;
}

}  // namespace
}  // namespace wpack::import
