#include "import/torch/pickle_machine.h"

#include <gtest/gtest.h>

#include <functional>

#include "import/torch/metadata_text.h"
#include "refusals/tables.h"
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

TEST(PickleMachineTest, RejectsWhatNoCheckpointHolds) {
  for (const auto& table :
       {refusals::bad_pickles(), refusals::acting_pickles(), refusals::tricky_pickles()}) {
    for (const refusals::BadPickle& bad : table) {
      SCOPED_TRACE(bad.what);
      EXPECT_THAT(read(bad.pickle), Fails(bad.code, bad.part));
    }
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
