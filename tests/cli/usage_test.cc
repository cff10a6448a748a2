// --help, --version, and every way to get the command line wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "command.h"
#include "wpack/version.h"

namespace wpack::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kCommands[] = {"pack",   "ls",   "inspect", "verify", "load", "bench",
                                     "unpack", "plan", "doctor",  "tune",   "help"};

TEST(UsageTest, PrintsTheVersion) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "wpack " + std::string(version()) + "\n");
  EXPECT_EQ(outcome.err, "");
}

TEST(UsageTest, PrintsTheSameHelpInBothWays) {
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  EXPECT_EQ(run({"help"}).out, help.out);
  EXPECT_EQ(run({"-h"}).out, help.out);
  for (const char* command : kCommands) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
    const Outcome own = run({command, "--help"});
    EXPECT_EQ(own.status, 0);
    EXPECT_EQ(own.out, run({"help", command}).out);
    EXPECT_THAT(own.out, Not(HasSubstr("{"))) << "a value that a flag stands for";
    EXPECT_THAT(own.out, HasSubstr(std::string("Usage: wpack ") + command));
    EXPECT_THAT(own.out, HasSubstr(std::string("Examples:\n  wpack ") + command));
  }
}

TEST(UsageTest, KeepsHelpWithin80Columns) {
  for (const char* command : kCommands) {
    const std::string text = run({"help", command}).out;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n'); end != std::string::npos;
         end = text.find('\n', begin)) {
      const std::string line = text.substr(begin, end - begin);
      EXPECT_LE(line.size(), 80U) << command << ": " << line;
      EXPECT_FALSE(line.ends_with(' ')) << command << ": " << line;
      begin = end + 1;
    }
  }
}

struct Mistake {
  Arguments arguments;
  std::string part;
  std::string hint;
};

class UsageMistakeTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(UsageMistakeTest, RejectsItInOneLineThatSaysWhereHelpIs) {
  const Outcome outcome = run(GetParam().arguments);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, StartsWith("wpack: error: "));
  EXPECT_THAT(outcome.err, HasSubstr(GetParam().part));
  EXPECT_THAT(outcome.err, ::testing::EndsWith("; see " + GetParam().hint + "\n"));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, UsageMistakeTest,
    ::testing::Values(
        Mistake{{}, "no command", "wpack --help"},
        Mistake{{"frobnicate"}, "frobnicate", "wpack --help"},
        Mistake{{"--frobnicate"}, "--frobnicate", "wpack --help"},
        Mistake{{"help", "frobnicate"}, "no command 'frobnicate'", "wpack --help"},
        Mistake{{"pack"}, "SOURCE is required", "wpack pack --help"},
        Mistake{{"pack", "x"}, "--output is required", "wpack pack --help"},
        Mistake{{"pack", "x", "-o"}, "--output", "wpack pack --help"},
        Mistake{{"pack", "x", "y", "-o", "z"}, "y", "wpack pack --help"},
        Mistake{{"pack", "x", "-o", "y", "-o", "z"}, "--output", "wpack pack --help"},
        Mistake{{"pack", "x", "-o", "y", "--shard-size", "4X"},
                "'4X' is not a size",
                "wpack pack --help"},
        Mistake{
            {"pack", "x", "-o", "y", "--shard-size", ""}, "'' is not a size", "wpack pack --help"},
        Mistake{{"pack", "x", "-o", "y", "--include"}, "--include", "wpack pack --help"},
        Mistake{{"pack", "x", "-o", "y", "--frobnicate"}, "--frobnicate", "wpack pack --help"},
        Mistake{{"pack", "x", "-o", "y", "--\x1b[2J\n"}, "\\x1b[2J\\x0a", "wpack pack --help"},
        Mistake{{"ls"}, "CONTAINER is required", "wpack ls --help"},
        Mistake{{"inspect"}, "PATH is required", "wpack inspect --help"},
        Mistake{{"verify"}, "CONTAINER is required", "wpack verify --help"},
        Mistake{{"verify", "a", "b"}, "b", "wpack verify --help"},
        Mistake{{"load", "x", "--verify", "some"},
                "'some' is none of index|touch|full",
                "wpack load --help"},
        Mistake{
            {"load", "x", "--access", "0"}, "'0' is none of auto|map|read", "wpack load --help"},
        Mistake{{"load", "x", "--readahead", "-1"}, "--readahead", "wpack load --help"},
        Mistake{{"load", "x", "--readahead", "many"}, "--readahead", "wpack load --help"},
        Mistake{{"load", "x", "--readahead", "99999999999"}, "--readahead", "wpack load --help"},
        Mistake{{"plan"}, "CONTAINER is required", "wpack plan --help"},
        Mistake{
            {"plan", "x", "--access", "0"}, "'0' is none of auto|map|read", "wpack plan --help"},
        Mistake{{"doctor", "x", "y"}, "y", "wpack doctor --help"},
        Mistake{{"tune"}, "PATH is required", "wpack tune --help"},
        Mistake{{"tune", "x", "--seconds", "many"}, "--seconds", "wpack tune --help"},
        Mistake{
            {"load", "x", "--touch", "all"}, "'all' is none of pages|bytes", "wpack load --help"},
        Mistake{{"bench"}, "CONTAINER is required", "wpack bench --help"},
        Mistake{{"bench", "x", "--against", "onnx:y"},
                "'onnx:y' is none of torch:FILE",
                "wpack bench --help"},
        Mistake{{"bench", "x", "--against", "torch"}, "'torch' has no path", "wpack bench --help"},
        Mistake{{"bench", "x", "--runs", "0"}, "--runs", "wpack bench --help"},
        Mistake{{"bench", "x", "--runs", "many"}, "--runs", "wpack bench --help"},
        Mistake{{"bench", "x", "--verify", "some"},
                "'some' is none of index|touch|full",
                "wpack bench --help"},
        Mistake{{"bench", "x", "--budget", "4X"}, "'4X' is not a size", "wpack bench --help"},
        Mistake{{"unpack", "x"}, "--output is required", "wpack unpack --help"},
        Mistake{{"unpack", "x", "-o", "y", "--format", "onnx"},
                "'onnx' is none of safetensors|torch",
                "wpack unpack --help"}));

TEST(UsageTest, CutsAnOverlongMistakeToFourKibibytes) {
  const Outcome outcome = run({"ls", "x", "y", "--" + std::string(100'000, 'z')});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_LE(outcome.err.size(), 4096U);
  EXPECT_THAT(outcome.err, ::testing::EndsWith("see wpack ls --help\n"));
}

TEST(UsageTest, TakesTheNameOfACommandForAPath) {
  const Outcome outcome = run({"ls", "pack"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_THAT(outcome.err, HasSubstr("pack"));
}

}  // namespace
}  // namespace wpack::cli
