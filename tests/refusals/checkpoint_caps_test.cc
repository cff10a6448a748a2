// Small checkpoints that ask for much work: values, names and bytes that they share without end.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

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
  for (const std::size_t left : std::vector<std::size_t>{2300, 2470, 2480}) {
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

// A tensor of `rank` dimensions of `side`, over single bytes, whose strides differ by one.
std::string scattered(std::int64_t side, std::int64_t rank, std::int64_t stride) {
  const auto count = static_cast<std::size_t>(rank);
  std::vector<std::int64_t> strides(count);
  std::iota(strides.begin(), strides.end(), stride);
  const std::int64_t span =
      (side - 1) * std::accumulate(strides.begin(), strides.end(), std::int64_t{1});
  PickleBuilder pickle;
  pickle.empty_dict().key("w").tensor("0", span, std::vector<std::int64_t>(count, side), strides, 0,
                                      "ByteStorage");
  return testing::checkpoint_zip(pickle.set_item().stop(),
                                 {std::string(static_cast<std::size_t>(span), 's')})
      .build();
}

TEST_F(CheckpointCapTest, ElementsApartAreReadInTimeOrNotAtAll) {
  for (const std::string& contents :
       {scattered(16, 5, 4200), scattered(2040, 2, 8209), scattered(2, 26, 60'000)}) {
    judge_.write("large.file", contents);
    judge_.expect_success({"pack", "@/large.file", "-o", "@/large.wpack", "-q"});
    std::filesystem::remove_all(judge_.file("large.wpack"));
  }
  expect_refused(scattered(2060, 2, 8209), {6, {"large.file: tensor 'w': its strides"}});
}

// Views of one storage of 16 MiB that is stored in a few bytes; each but the first begins a byte
// behind the one before.
std::string overlapping(std::size_t count) {
  const std::string zeros(16 * kMebibyte, '\0');
  PickleBuilder pickle;
  pickle.empty_dict();
  for (std::size_t i = 0; i < count; ++i) {
    pickle.key(fmt::format("m.{}", i));
    pickle
        .tensor("0", std::ssize(zeros), {std::ssize(zeros) - 64}, {1}, static_cast<std::int64_t>(i),
                "ByteStorage")
        .set_item();
  }
  testing::ZipBuilder zip = testing::checkpoint_zip(pickle.stop(), {zeros});
  zip.entry("archive/data/0").deflate = true;
  return zip.build();
}

TEST_F(CheckpointCapTest, ViewsThatOverlapMayTakeAGibibyte) {
  expect_packed(overlapping(64));
  expect_refused(overlapping(65), {6, {"large.file: tensor 'm.64': it and other views"}});
}

}  // namespace
}  // namespace wpack::refusals
