#include "export/pickle_writer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "support/result_matchers.h"

namespace wpack::exporting {
namespace {

using namespace std::string_literals;
using testing::Fails;
using testing::IsOk;

// What `write` appends between the pickle's first and last bytes.
template <typename Write>
std::string written(Write write) {
  PickleWriter pickle;
  write(pickle);
  const std::string bytes = std::move(pickle).finish();
  EXPECT_TRUE(bytes.starts_with("\x80\x02"));
  EXPECT_EQ(bytes.back(), '.');
  return bytes.substr(2, bytes.size() - 3);
}

std::string integer(std::uint64_t value) {
  return written([&](PickleWriter& pickle) { pickle.integer(value); });
}

std::string decimal(const std::string& text) {
  return written([&](PickleWriter& pickle) { EXPECT_THAT(pickle.decimal(text), IsOk()); });
}

TEST(PickleWriterTest, WritesIntegersInTheirShortestForm) {
  EXPECT_EQ(integer(0), "K\0"s);
  EXPECT_EQ(integer(255), "K\xff"s);
  EXPECT_EQ(integer(256), "M\0\x01"s);
  EXPECT_EQ(integer(65535), "M\xff\xff"s);
  EXPECT_EQ(integer(65536), "J\0\0\x01\0"s);
  EXPECT_EQ(integer(0x7fffffff), "J\xff\xff\xff\x7f"s);
  EXPECT_EQ(integer(0x80000000), "\x8a\x05\0\0\0\x80\0"s);
  EXPECT_EQ(integer(std::uint64_t{1} << 40), "\x8a\x06\0\0\0\0\0\x01"s);
  EXPECT_EQ(integer(std::numeric_limits<std::uint64_t>::max()),
            "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\0"s);
}

TEST(PickleWriterTest, WritesDecimalsOfAnySign) {
  EXPECT_EQ(decimal("0"), "K\0"s);
  EXPECT_EQ(decimal("255"), "K\xff"s);
  EXPECT_EQ(decimal("70000"), "J\x70\x11\x01\0"s);
  EXPECT_EQ(decimal("-1"), "\x8a\x01\xff"s);
  EXPECT_EQ(decimal("-128"), "\x8a\x01\x80"s);
  EXPECT_EQ(decimal("-129"), "\x8a\x02\x7f\xff"s);
  EXPECT_EQ(decimal("-256"), "\x8a\x02\0\xff"s);
  EXPECT_EQ(decimal("18446744073709551616"), "\x8a\x09\0\0\0\0\0\0\0\0\x01"s);
  EXPECT_EQ(decimal("-9223372036854775808"), "\x8a\x08\0\0\0\0\0\0\0\x80"s);
}

TEST(PickleWriterTest, RejectsWhatIsNoDecimalInteger) {
  PickleWriter pickle;
  for (const std::string& text :
       std::vector<std::string>{"", "-", "1.5", "+1", "0x1", " 1", std::string(616, '9')}) {
    EXPECT_THAT(pickle.decimal(text), Fails(ErrorCode::kBadInput, "is not an integer")) << text;
  }
  EXPECT_EQ(std::move(pickle).finish(), "\x80\x02.");
}

TEST(PickleWriterTest, WritesFloatsBigEndian) {
  EXPECT_EQ(written([](PickleWriter& pickle) { pickle.floating(1.5); }), "G\x3f\xf8\0\0\0\0\0\0"s);
}

TEST(PickleWriterTest, WritesRepeatedObjectsOnceAndThenRecallsThem) {
  EXPECT_EQ(written([](PickleWriter& pickle) {
              pickle.global("torch", "FloatStorage");
              pickle.repeated_text("cpu");
              pickle.global("torch", "FloatStorage");
              pickle.repeated_text("cpu");
            }),
            "ctorch\nFloatStorage\nq\0X\x03\0\0\0cpuq\x01h\0h\x01"s);
}

TEST(PickleWriterTest, WritesShapesAsTuples) {
  const std::vector<std::uint64_t> shape = {2, 300};
  EXPECT_EQ(written([&](PickleWriter& pickle) { pickle.shape(shape); }), "(K\x02M\x2c\x01t"s);
  EXPECT_EQ(written([&](PickleWriter& pickle) { pickle.shape({}); }), ")");
}

}  // namespace
}  // namespace wpack::exporting
