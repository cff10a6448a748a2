// Small checkpoints that ask for much work: values, names and bytes that they share without end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "refusals/cap_test.h"

namespace wpack::refusals {
namespace {

using testing::PickleBuilder;
class CheckpointCapTest : public CapTest {};

// A tensor, `front`, and a list of `value` as many times as `count` says.
std::string with_shared(PickleBuilder front, std::string_view value, std::size_t count) {
  front.raw(value).put(9).raw("0").key("list").empty_list().mark().raw(repeat("h\x09", count));
  return checkpoint_of(front.appends().set_item().stop());
}

PickleBuilder one_weight() { return PickleBuilder().empty_dict().weight("w"); }

TEST_F(CheckpointCapTest, SharedBigIntegersAreNotMadeDecimalForEver) {
  const std::string integer = "\x8B" + std::string("\0\4\0\0", 4) + std::string(1024, '\x7F');
  for (const std::size_t left : {2300, 2470, 2480}) {
    PickleBuilder front = one_weight();
    front.key("fill").string(std::string(65'536 - left, 'x')).set_item();
    judge_.write("large.file", with_shared(front, integer, 80'000));
    judge_.expect_success({"pack", "@/large.file", "--dry-run", "--json"});
  }
}

TEST_F(CheckpointCapTest, SharedTextsThatAreNoUtf8AreNotReadForEver) {
  const std::string text = PickleBuilder().string(std::string(60'000, 's') + "\xFF").unfinished();
  expect_refused(with_shared(one_weight(), text.substr(2), 1'000'000),
                 {6, {"large.file: ", "flattening them would not end"}});
}

TEST_F(CheckpointCapTest, LongTextsOfDroppedLeavesAreNotEscapedForEver) {
  const std::string name(1023, '\x01');
  const std::string object = PickleBuilder().global(name, name).raw(")R").unfinished().substr(2);
  PickleBuilder path = one_weight();
  path.key(std::string(4000, '\x01') + "\xFF").empty_list().mark().raw(repeat("N", 1'000'000));
  for (const std::string& contents : {with_shared(one_weight(), object, 1'000'000),
                                      checkpoint_of(path.appends().set_item().stop())}) {
    judge_.write("large.file", contents);
    (void)judge_.run({"pack", "@/large.file", "--dry-run", "--json"});
  }
}

TEST_F(CheckpointCapTest, LongNamesOfModulesAreNotReadForEver) {
  for (const std::string& name :
       {std::string(1024, '\x01'), repeat("a.", 15) + std::string(994, 'b'),
        repeat("a.", 511) + "b"}) {
    PickleBuilder builder = one_weight();
    builder.string(std::string(1024, '\x01')).put(1).string(name).put(2).raw("00");
    builder.raw(
        repeat("h\1h\2\x93"
               "0",
               1'000'000));
    judge_.write("large.file", checkpoint_of(builder.stop()));
    (void)judge_.run({"pack", "@/large.file", "--dry-run", "--json"});
  }
}

TEST_F(CheckpointCapTest, ManySmallDeflatedMembersAreReadInTime) {
  for (const char* contents : {"", "x"}) {
    judge_.write("large.file", with_inflated(contents, 400'000).build());
    judge_.expect_success({"pack", "@/large.file", "-o", "@/large.wpack", "-q"});
    std::filesystem::remove_all(judge_.file("large.wpack"));
  }
}

}  // namespace
}  // namespace wpack::refusals
