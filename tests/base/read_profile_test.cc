#include "wpack/read_profile.h"

#include <gtest/gtest.h>

#include <functional>

#include "support/result_matchers.h"

namespace wpack::testing {
namespace {

ReadProfile full_profile() {
  return {.kernel = "6.1.0-18-amd64",
          .device = "254:0",
          .file_system = "ext4",
          .direct = ReadShape{"libaio", 1 << 20, 8},
          .buffered = ReadShape{"pread", 2 << 20, 4},
          .first_touch = {.small_pages = 280'000, .huge_pages = 90'000}};
}

TEST(ReadProfileTest, ReadsWhatItWrote) {
  ASSERT_OK_AND_ASSIGN(const ReadProfile read, parse_read_profile(to_json(full_profile())));
  EXPECT_EQ(read, full_profile());
}

TEST(ReadProfileTest, LeavesOutWhatWasNotMeasured) {
  const ReadProfile profile{.kernel = "k", .device = "0:45", .file_system = "größe \"x\""};
  ASSERT_OK_AND_ASSIGN(const ReadProfile read, parse_read_profile(to_json(profile)));
  EXPECT_EQ(read, profile);
}

TEST(ReadProfileTest, ReadsWhatAPersonWrote) {
  ASSERT_OK_AND_ASSIGN(
      const ReadProfile read,
      parse_read_profile(R"({"file_system":"xfs","kernel":"k","comment":"by hand","device":"8:1",
                            "first_touch_ns_per_mebibyte":{}, "wpack_read_profile":1,
                            "direct":{"depth":64,"engine":"io_uring","block_size":67108864}})"));
  EXPECT_EQ(read.direct, (ReadShape{"io_uring", 64 << 20, 64}));
  EXPECT_EQ(read.buffered, std::nullopt);
  EXPECT_EQ(read.first_touch, FirstTouch());
}

TEST(ReadProfileTest, WritesNoTextThatIsNotUtf8) {
  ReadProfile profile = full_profile();
  profile.file_system = "ext\xff";
  EXPECT_THAT(parse_read_profile(to_json(profile)), IsOk());
}

struct BadProfile {
  const char* name;
  std::string text;
  const char* reason;
  ErrorCode code = ErrorCode::kBadInput;
};

// A profile that is right but for what `more` adds to it.
std::string with(std::string_view more) {
  return R"({"wpack_read_profile":1,"kernel":"k","device":"8:1","file_system":"xfs",)" +
         std::string(more) + "}";
}
std::string direct(std::string_view members) {
  return with(R"("direct":{)" + std::string(members) + "}");
}

class BadReadProfileTest : public ::testing::TestWithParam<BadProfile> {};

TEST_P(BadReadProfileTest, IsRefusedWithItsPlace) {
  EXPECT_THAT(parse_read_profile(GetParam().text), Fails(GetParam().code, GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Profiles, BadReadProfileTest,
    ::testing::Values(
        BadProfile{"Empty", "", "not valid JSON"}, BadProfile{"List", "[]", "must be an object"},
        BadProfile{"Deep", std::string(60'000, '['), "nested too deeply"},
        BadProfile{"Trailing", with(R"("comment":"")") + "x", "not valid JSON"},
        BadProfile{"TooLong", std::string(kMaxReadProfileSize + 1, ' '), "has 65537 bytes",
                   ErrorCode::kLimit},
        BadProfile{"NoKind", R"({"kernel":"k","device":"8:1","file_system":"xfs"})",
                   "has no \"wpack_read_profile\""},
        BadProfile{"NewerVersion",
                   R"({"wpack_read_profile":2,"kernel":"k","device":"8:1","file_system":"xfs"})",
                   "wpack_read_profile must be a whole number from 1 to 1"},
        BadProfile{"OtherKind", R"({"wpack_use_order":1,"layers":["a"]})", "has the unknown key"},
        BadProfile{"UnknownKey", with(R"("speed":1)"), "has the unknown key \"speed\""},
        BadProfile{"KeyStandsTwice", with(R"("kernel":"k")"), "\"kernel\" stands twice"},
        BadProfile{"NoKernel", R"({"wpack_read_profile":1,"device":"8:1","file_system":"xfs"})",
                   "has no \"kernel\""},
        BadProfile{"NoDevice", R"({"wpack_read_profile":1,"kernel":"k","file_system":"xfs"})",
                   "has no \"device\""},
        BadProfile{"NoFileSystem", R"({"wpack_read_profile":1,"kernel":"k","device":"8:1"})",
                   "has no \"file_system\""},
        BadProfile{"EmptyKernel",
                   R"({"wpack_read_profile":1,"kernel":"","device":"8:1","file_system":"xfs"})",
                   "kernel must be a text of 1 to 255 bytes"},
        BadProfile{"LongDevice",
                   R"({"wpack_read_profile":1,"kernel":"k","file_system":"xfs","device":")" +
                       std::string(256, '8') + "\"}",
                   "device must be a text of 1 to 255 bytes"},
        BadProfile{"DeviceIsANumber",
                   R"({"wpack_read_profile":1,"kernel":"k","device":8,"file_system":"xfs"})",
                   "device must be a text"},
        BadProfile{"DirectIsNoObject", with(R"("direct":"pread")"), "direct must be an object"},
        BadProfile{"DirectHasAnUnknownKey", direct(R"("threads":1)"),
                   "direct has the unknown key \"threads\""},
        BadProfile{"NoEngine", direct(R"("block_size":1048576,"depth":8)"),
                   "direct has no \"engine\""},
        BadProfile{"UnknownEngine", direct(R"("engine":"mmap","block_size":1048576,"depth":8)"),
                   "direct.engine is none of io_uring, libaio, pread"},
        BadProfile{"EngineIsANumber", direct(R"("engine":1,"block_size":1048576,"depth":8)"),
                   "direct.engine is none of"},
        BadProfile{"NoBlockSize", direct(R"("engine":"pread","depth":8)"),
                   "direct has no \"block_size\""},
        BadProfile{"BlocksOfNothing", direct(R"("engine":"pread","block_size":0,"depth":8)"),
                   "direct.block_size must be a whole number from 65536 to 67108864"},
        BadProfile{"SmallBlocks", direct(R"("engine":"pread","block_size":61440,"depth":8)"),
                   "direct.block_size must be a whole number"},
        BadProfile{"LargeBlocks", direct(R"("engine":"pread","block_size":67112960,"depth":8)"),
                   "direct.block_size must be a whole number"},
        BadProfile{"NegativeBlocks", direct(R"("engine":"pread","block_size":-65536,"depth":8)"),
                   "direct.block_size must be a whole number"},
        BadProfile{"BlocksOfAFraction",
                   direct(R"("engine":"pread","block_size":65536.5,"depth":8)"),
                   "direct.block_size must be a whole number"},
        BadProfile{"CrookedBlocks", direct(R"("engine":"pread","block_size":65537,"depth":8)"),
                   "direct.block_size must be a multiple of 4096"},
        BadProfile{"NoDepth", direct(R"("engine":"pread","block_size":1048576)"),
                   "direct has no \"depth\""},
        BadProfile{"NothingInFlight", direct(R"("engine":"pread","block_size":1048576,"depth":0)"),
                   "direct.depth must be a whole number from 1 to 64"},
        BadProfile{"TooMuchInFlight", direct(R"("engine":"libaio","block_size":65536,"depth":65)"),
                   "direct.depth must be a whole number from 1 to 64"},
        BadProfile{"HugeDepth",
                   direct(R"("engine":"libaio","block_size":65536,"depth":18446744073709551616)"),
                   "direct.depth must be a whole number"},
        BadProfile{"BufferedIsAsStrict",
                   with(R"("buffered":{"engine":"pread","block_size":1048576,"depth":"4"})"),
                   "buffered.depth must be a whole number"},
        BadProfile{"FirstTouchIsANumber", with(R"("first_touch_ns_per_mebibyte":5)"),
                   "first_touch_ns_per_mebibyte must be an object"},
        BadProfile{"FirstTouchOfOtherPages", with(R"("first_touch_ns_per_mebibyte":{"pages":5})"),
                   "unknown key \"pages\""},
        BadProfile{"FirstTouchForNothing",
                   with(R"("first_touch_ns_per_mebibyte":{"small_pages":0})"),
                   "small_pages must be a whole number from 1 to 1000000000"},
        BadProfile{"FirstTouchForEver",
                   with(R"("first_touch_ns_per_mebibyte":{"huge_pages":1000000001})"),
                   "huge_pages must be a whole number"}),
    [](const auto& test) { return std::string(test.param.name); });

// The host and file on which full_profile() was measured.
struct Place {
  HostFacts host;
  FileFacts file;

  Place() {
    host.kernel = "6.1.0-18-amd64";
    file.device_number = "254:0";
    file.file_system = FileSystemInfo{"ext4", FileSystemKind::kLocal};
  }
};

Status matches_after(const std::function<void(Place&)>& change) {
  Place place;
  change(place);
  return matches(full_profile(), place.host, place.file);
}

TEST(ReadProfileMatchTest, HoldsWhereItWasMeasured) {
  EXPECT_THAT(matches_after([](Place&) {}), IsOk());
}

TEST(ReadProfileMatchTest, SaysWhatIsAnother) {
  const auto code = ErrorCode::kUnsupportedHost;
  EXPECT_THAT(matches_after([](Place& at) { at.host.kernel = "6.1.0-19-amd64"; }),
              Fails(code,
                    "the profile is of another kernel: 6.1.0-18-amd64, and this is "
                    "6.1.0-19-amd64"));
  EXPECT_THAT(matches_after([](Place& at) { at.file.device_number = "254:1"; }),
              Fails(code, "of another device: 254:0, and this is 254:1"));
  EXPECT_THAT(matches_after([](Place& at) { at.file.file_system->type = "ext\x1b"; }),
              Fails(code, "of another file system: ext4, and this is ext\\x1b"));
}

TEST(ReadProfileMatchTest, SaysWhatIsNotKnown) {
  const auto code = ErrorCode::kUnsupportedHost;
  const Error unseen(ErrorCode::kIo, "statfs of file failed");
  EXPECT_THAT(matches_after([&](Place& at) { at.host.kernel = unseen; }),
              Fails(code, "the kernel here is not known: statfs of file failed"));
  EXPECT_THAT(matches_after([&](Place& at) { at.file.device_number = unseen; }),
              Fails(code, "the device here is not known"));
  EXPECT_THAT(matches_after([&](Place& at) { at.file.file_system = unseen; }),
              Fails(code, "the file system here is not known"));
}

}  // namespace
}  // namespace wpack::testing
