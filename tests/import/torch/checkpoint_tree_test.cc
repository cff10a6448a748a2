// How the tree of a checkpoint becomes flat names, metadata and dropped leaves.
#include "import/torch/checkpoint_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "import/torch/checkpoint_file.h"
#include "refusals/tables.h"

namespace wpack::import {
namespace {

using ::testing::ElementsAre;
using testing::Fails;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::open_pickle;
using testing::PickleBuilder;

// A pickle that starts with a dictionary.
struct Tree : PickleBuilder {
  Tree() { empty_dict(); }
};

Result<std::unique_ptr<TensorSource>> open_tree(const PickleBuilder& tree,
                                                const std::string& root = {}) {
  SourceOptions options;
  options.root = root;
  return open_pickle(tree.stop(), {"abcdefgh"}, options);
}

// The names of all tensors, or the error.
std::vector<std::string> names(const PickleBuilder& tree, const std::string& root = {}) {
  const auto source = open_tree(tree, root);
  if (!source) return {source.error().message()};
  std::vector<std::string> all;
  for (const SourceTensor& tensor : (*source)->description().tensors) all.push_back(tensor.name);
  return all;
}

TEST(CheckpointTreeTest, ReadsNestedContainersAsDottedNames) {
  Tree tree;
  tree.weight("top").open("a").open("b").weight("c").close().close();
  tree.key("list").empty_list().tensor("0", 2, {1}, {1}).append();
  tree.tensor("0", 2, {1}, {1}).append().set_item();
  tree.integer(-3).tensor("0", 2, {1}, {1}).set_item();
  tree.key("tuple").none().tensor("0", 2, {1}, {1}).tuple2().set_item();
  EXPECT_THAT(names(tree), ElementsAre("top", "a.b.c", "list.0", "list.1", "-3", "tuple.1"));
}

TEST(CheckpointTreeTest, ReadsTheOnlyKnownRoot) {
  for (const char* root :
       {"state_dict", "model_state_dict", "model", "module", "net", "ema", "params"}) {
    Tree tree;
    tree.open("optimizer").weight("m").close().open(root).weight("w").open("n").weight("v");
    EXPECT_THAT(names(tree.close().close()), ElementsAre("w", "n.v")) << root;
  }
}

TEST(CheckpointTreeTest, ReadsTheWholeTreeIfItsTopHoldsTensors) {
  EXPECT_THAT(names(Tree().weight("w").open("model").weight("v").close()),
              ElementsAre("w", "model.v"));
}

TEST(CheckpointTreeTest, ReadsTheChosenRoot) {
  Tree tree;
  tree.weight("w").open("a").open("b.c").weight("v").close().weight("u").close();
  EXPECT_THAT(names(tree, "a"), ElementsAre("b.c.v", "u"));
  EXPECT_THAT(names(tree, "a.b.c"), ElementsAre("v"));
  for (const bool longest_first : {false, true}) {
    Tree dotted;
    for (const bool is_longest : {longest_first, !longest_first})
      dotted.open(is_longest ? "a.b" : "a").weight(is_longest ? "v" : "w").close();
    EXPECT_THAT(names(dotted, "a.b"), ElementsAre("v"));
  }
  EXPECT_THAT(names(tree, "."), ElementsAre("w", "a.b.c.v", "a.u"));
  EXPECT_THAT(names(Tree().open("encoder").weight("w").close(), "."), ElementsAre("encoder.w"));
}

TEST(CheckpointTreeTest, ReadsARootOnlyWhereItWasChosen) {
  // The same dictionary object under two names.
  Tree tree;
  tree.key("model").empty_dict().put(9);
  tree.string("w").tensor("0", 2, {2}, {1}).set_item().set_item();
  tree.key("copy").get(9).set_item();
  EXPECT_THAT(names(tree), ElementsAre("w"));
  EXPECT_THAT(names(tree, "copy"), ElementsAre("w"));
}

TEST(CheckpointTreeTest, RejectsRootsThatAreNotThere) {
  Tree tree;
  tree.open("model").weight("w").close().key("epoch").integer(3).set_item();
  EXPECT_THAT(open_tree(tree, "nodel"), Fails(ErrorCode::kBadInput, "nothing there is called"));
  EXPECT_THAT(open_tree(tree, "model.x"), Fails(ErrorCode::kBadInput, "is called 'x'"));
  EXPECT_THAT(open_tree(tree, "mode"), Fails(ErrorCode::kBadInput, "is called 'mode'"));
  EXPECT_THAT(open_tree(tree, "model.w"), Fails(ErrorCode::kBadInput, "no dictionary of tensors"));
  EXPECT_THAT(open_tree(tree, "epoch"), Fails(ErrorCode::kBadInput, "no dictionary of tensors"));
}

TEST(CheckpointTreeTest, RejectsSeveralRoots) {
  EXPECT_THAT(
      open_tree(Tree().open("model").weight("w").close().open("ema").weight("w").close()),
      Fails(ErrorCode::kBadInput, "several of its dictionaries may be the model (model, ema)"));
  EXPECT_THAT(open_tree(Tree().open("encoder").weight("w").close().open("dec").weight("w").close()),
              Fails(ErrorCode::kBadInput, "is known to be the model (encoder, dec)"));
}

TEST(CheckpointTreeTest, RejectsTreesThatAreNotSound) {
  for (const refusals::BadValue& bad : refusals::bad_trees()) {
    SCOPED_TRACE(bad.what);
    Tree tree;
    bad.add(tree);
    EXPECT_THAT(open_tree(tree), Fails(bad.code, bad.part));
  }
}

TEST(CheckpointTreeTest, RejectsTopsThatAreNoDictionary) {
  EXPECT_THAT(open_pickle(PickleBuilder().tensor("0", 2, {2}, {1}).stop()),
              Fails(ErrorCode::kBadInput, "one tensor without a name"));
  EXPECT_THAT(open_pickle(PickleBuilder().integer(1).stop()),
              Fails(ErrorCode::kBadInput, "no dictionary of tensors (int)"));
  EXPECT_THAT(open_pickle(PickleBuilder()
                              .global("m", "Net")
                              .empty_tuple()
                              .new_object()
                              .tensor("0", 2, {2}, {1})
                              .build()
                              .stop()),
              Fails(ErrorCode::kBadInput, "it is made by m.Net"));
}

TEST(CheckpointTreeTest, ReadsNamesUpTo4096Bytes) {
  const std::string longest(4096, 'n');
  EXPECT_THAT(names(Tree().weight(longest)), ElementsAre(longest));
  EXPECT_THAT(names(Tree().open("model").weight(longest).close()), ElementsAre(longest));
  EXPECT_THAT(names(Tree().weight("tab\t\x1b[0m")), ElementsAre("tab\t\x1b[0m"));
}

TEST(CheckpointTreeTest, RejectsNestingWithoutEnd) {
  Tree tree;
  tree.weight("w");
  for (int i = 0; i < 300; ++i) tree.open("d");
  for (int i = 0; i < 300; ++i) tree.close();
  EXPECT_THAT(open_tree(tree), Fails(ErrorCode::kLimit, "nested more than 256 deep"));
}

TEST(CheckpointTreeTest, RejectsSharingThatUnfoldsWithoutEnd) {
  // Each list holds the one before ten times: 10^30 paths.
  PickleBuilder builder;
  builder.empty_list().put(0).raw("0");
  for (int level = 1; level <= 30; ++level) {
    builder.empty_list().mark();
    for (int i = 0; i < 10; ++i) builder.get(level - 1);
    builder.appends().put(level).raw("0");
  }
  builder.empty_dict().string("w").tensor("0", 2, {2}, {1}).set_item().string("l").get(30);
  EXPECT_THAT(open_pickle(builder.set_item().stop()),
              Fails(ErrorCode::kLimit, "flattening them would not end"));
}

TEST(CheckpointTreeTest, ReadsSharedContainersUnderEveryName) {
  Tree tree;
  tree.weight("w").open("a").put(9).weight("v").close().key("b").get(9).set_item();
  EXPECT_THAT(names(tree), ElementsAre("w", "a.v", "b.v"));
}

TEST(CheckpointTreeTest, ReadsScalarsUnderTheirFullPath) {
  Tree tree;
  tree.open("model").weight("w").key("scale").floating(0.5).set_item().close();
  tree.key("epoch").integer(3).set_item().key("note").string("a\nb").set_item();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  const auto& metadata = source->description().metadata;
  ASSERT_EQ(metadata.size(), 3U);
  EXPECT_EQ(metadata[0], (MetadataEntry{"model.scale", "0.5", MetadataType::kFloat,
                                        MetadataOrigin::kCheckpoint}));
  EXPECT_EQ(metadata[1],
            (MetadataEntry{"epoch", "3", MetadataType::kInteger, MetadataOrigin::kCheckpoint}));
  EXPECT_EQ(metadata[2],
            (MetadataEntry{"note", "a\nb", MetadataType::kString, MetadataOrigin::kCheckpoint}));
  EXPECT_THAT(source->description().dropped_leaves, IsEmpty());
}

TEST(CheckpointTreeTest, ReturnsAtMost64KiBOfMetadata) {
  Tree tree;
  tree.weight("w");
  for (int i = 0; i < 100; ++i)
    tree.key("k" + std::to_string(i)).string(std::string(1000, 'v')).set_item();
  tree.key("huge").string(std::string(70'000, 'v')).set_item();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  EXPECT_EQ(source->description().metadata.size(), 65U);
  EXPECT_EQ(source->description().dropped_leaves.size(), 36U);
  EXPECT_EQ(source->description().dropped_leaves.back(), "huge: str");
}

// 2^8191 - 1, of 2466 digits.
std::string big_integer() {
  return "\x8B" + std::string("\0\4\0\0", 4) + std::string(1023, '\xFF') + "\x7F";
}

TEST(CheckpointTreeTest, ListsBigIntegersAsDroppedUnlessAllTheirDigitsSurelyFit) {
  constexpr std::size_t kSurely = 1024 * 5 / 2 + 1 + 1;  // digits, a sign and the key
  for (const bool fits : {false, true}) {
    Tree tree;
    tree.weight("w").key("t").string(std::string(65'536 - 1 - kSurely + (fits ? 0 : 1), 't'));
    tree.set_item().key("i").raw(big_integer()).set_item();
    ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
    EXPECT_EQ(source->description().metadata.size(), fits ? 2U : 1U);
    EXPECT_EQ(source->description().dropped_leaves.size(), fits ? 0U : 1U);
  }
}

TEST(CheckpointTreeTest, RejectsTextThatIsNoUtf8SharedByManyLeaves) {
  Tree tree;
  tree.weight("w").raw(
      PickleBuilder().string(std::string(60'000, 's') + "\xFF").unfinished().substr(2));
  tree.put(9).raw("0").key("l").empty_list().mark();
  for (int i = 0; i < 2000; ++i) tree.get(9);
  EXPECT_THAT(open_tree(tree.appends().close()),
              Fails(ErrorCode::kLimit, "flattening them would not end"));
}

TEST(CheckpointTreeTest, SurvivesMillionsOfSharedValues) {
  // Two bytes in the pickle for each use of a long key, integer or string.
  constexpr int kUses = 300'000;
  const std::pair<const char*, std::string> values[] = {
      {"integer", "\x8B" + std::string("\0\4\0\0", 4) + std::string(1024, '\x7F')},
      {"string", PickleBuilder().string(std::string(60'000, 's')).unfinished().substr(2)},
  };
  for (const auto& [what, value] : values) {
    SCOPED_TRACE(what);
    PickleBuilder builder;
    builder.raw(value).put(9).raw("0").empty_dict().weight("w").key("l").empty_list().mark();
    for (int i = 0; i < kUses; ++i) builder.get(9);
    builder.appends().close();
    ASSERT_OK_AND_ASSIGN(const auto source, open_tree(builder));
    const SourceDescription& description = source->description();
    EXPECT_LT(description.metadata.size(), 64U);
    EXPECT_EQ(description.dropped_leaves.size(), 100'001U);
    EXPECT_EQ(description.dropped_leaves.back(),
              "... and " + std::to_string(kUses - 100'000 - description.metadata.size()) +
                  " more, not listed");
  }
}

TEST(CheckpointTreeTest, ListsAtMost8MebibytesOfDroppedLeaves) {
  Tree tree;
  tree.weight("w").key(std::string(1000, '\x01') + "\xFF").empty_list().mark();
  for (int i = 0; i < 50'000; ++i) tree.none();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree.appends().close()));
  const std::vector<std::string>& lines = source->description().dropped_leaves;
  std::size_t size = 0;
  for (const std::string& line : lines) size += line.size();
  EXPECT_GT(size, std::size_t{8} << 20);
  EXPECT_LT(size, (std::size_t{8} << 20) + 4096);
  EXPECT_EQ(lines.back(), fmt::format("... and {} more, not listed", 50'000 - (lines.size() - 1)));
}

TEST(CheckpointTreeTest, RejectsOneLongKeySharedByMillionsOfItems) {
  PickleBuilder builder;
  builder.string(std::string(4000, 'k')).put(9).raw("0").empty_list().empty_list().append().put(8);
  builder.raw("0").empty_dict().weight("w").open("d").mark();
  for (int i = 0; i < 200'000; ++i) builder.get(9).get(8);
  EXPECT_THAT(open_tree(builder.set_items().close()),
              Fails(ErrorCode::kLimit, "flattening them would not end"));
}

TEST(CheckpointTreeTest, ListsEverythingElseAsDropped) {
  Tree tree;
  tree.weight("w").key("raw").bytes("ab").set_item().key("set").empty_set().set_item();
  tree.key("args").global("argparse", "Namespace").empty_tuple().new_object().empty_dict().build();
  tree.set_item()
      .key("again")
      .global("argparse", "Namespace")
      .empty_tuple()
      .new_object()
      .set_item();
  tree.key("bad\xFFtext").string("x").set_item().key("text").string("\xFF").set_item();
  tree.numbers({1}).integer(5).set_item();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  const SourceDescription& description = source->description();
  EXPECT_THAT(
      description.dropped_leaves,
      ElementsAre("raw: bytes", "set: set", "args: argparse.Namespace", "again: argparse.Namespace",
                  "bad\\xfftext: str", "text: str", "<tuple>: int"));
  EXPECT_THAT(description.warnings,
              ElementsAre("values of argparse.Namespace are not known and were left out"));
  EXPECT_THAT(description.metadata, IsEmpty());
}

TEST(CheckpointTreeTest, ListsTensorsOutsideTheRootAsDropped) {
  Tree tree;
  tree.open("model").weight("w").close().open("optimizer").weight("m");
  tree.key("bad").tensor("0", 2, {99}, {1}).set_item().close();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  EXPECT_THAT(source->description().dropped_leaves,
              ElementsAre("optimizer.m: tensor outside the root",
                          "optimizer.bad: tensor outside the root"));
}

TEST(CheckpointTreeTest, WarnsOfAFewUnknownGlobalsOnly) {
  Tree tree;
  tree.weight("w").key("l").empty_list();
  for (int i = 0; i < 100; ++i) tree.global("m", "C" + std::to_string(i)).append();
  tree.set_item();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  EXPECT_EQ(source->description().warnings.size(), 65U);
  EXPECT_EQ(source->description().warnings.back(), "36 more references to unknown values");
}

TEST(CheckpointTreeTest, WarnsOnceOfOneUnknownGlobalHoweverItIsSplit) {
  Tree tree;
  tree.weight("w").key("l").empty_list();
  for (int i = 0; i < 100; ++i) {
    tree.stack_global("m", "C.D").append();
    tree.stack_global("m.C", "D").append();
  }
  tree.set_item();
  ASSERT_OK_AND_ASSIGN(const auto source, open_tree(tree));
  EXPECT_THAT(source->description().warnings,
              ElementsAre("values of m.C.D are not known and were left out"));
}

}  // namespace
}  // namespace wpack::import
