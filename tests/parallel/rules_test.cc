// Rule files: what they say of a tensor, and what is refused.
#include <gtest/gtest.h>

#include <fstream>

#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/tensor_parallel.h"

namespace wpack {
namespace {

using testing::Fails;
using testing::IsOk;
using Ranges = std::vector<ElementRange>;
using Dims = std::vector<std::uint64_t>;

// A file with one rule for "w".
std::string one_rule(const std::string& members) {
  return R"({"wpack_tensor_parallel": 1, "values": {"kv": 2}, "rules": [{"tensors": ["w"], )" +
         members + "}]}";
}

Result<TensorPart> part_of(const std::string& members, const Dims& shape, std::uint32_t rank,
                           std::uint32_t size, DType dtype = DType::kF32) {
  WPACK_ASSIGN(const auto rules, TensorParallelRules::parse(one_rule(members)));
  return rules.part("w", dtype, shape, rank, size);
}

Ranges ranges_of(const std::string& members, const Dims& shape, std::uint32_t rank,
                 std::uint32_t size) {
  const auto part = part_of(members, shape, rank, size);
  EXPECT_THAT(part, IsOk());
  return part ? part->ranges : Ranges{};
}

TEST(RuleTest, SplitsADimensionEvenly) {
  const auto part = part_of(R"("dim": 1)", {4, 12}, 2, 4);
  ASSERT_THAT(part, IsOk());
  EXPECT_EQ(*part, (TensorPart{.dim = 1, .ranges = {{6, 9}}}));
  EXPECT_TRUE(part_of(R"("dim": 0)", {0, 12}, 2, 4).value().whole());
}

TEST(RuleTest, GivesAllOfATensorToTheOnlyRank) {
  EXPECT_TRUE(part_of(R"("dim": 1)", {4, 12}, 0, 1).value().whole());
  EXPECT_TRUE(
      part_of(R"("dim": 0, "segments": [{"share": 1}, {"share": 2}])", {6}, 0, 1).value().whole());
}

TEST(RuleTest, KeepsHeadsTogether) {
  EXPECT_EQ(ranges_of(R"("dim": 0, "heads": 6)", {60}, 1, 3), (Ranges{{20, 40}}));
  EXPECT_EQ(ranges_of(R"("dim": 0, "heads": "kv")", {60}, 1, 2), (Ranges{{30, 60}}));
}

TEST(RuleTest, ReplicatesHeadsWhereThereAreMoreRanks) {
  for (std::uint32_t rank = 0; rank < 8; ++rank) {
    const std::uint64_t head = rank * 2 / 8;
    EXPECT_EQ(ranges_of(R"("dim": 0, "heads": "kv")", {60}, rank, 8),
              (Ranges{{head * 30, head * 30 + 30}}));
  }
  EXPECT_TRUE(part_of(R"("dim": 0, "heads": 1)", {60}, 5, 8).value().whole());
}

TEST(RuleTest, SplitsEverySegmentByItself) {
  const std::string fused =
      R"("dim": 0, "segments": [{"heads": 8}, {"heads": "kv"}, {"heads": "kv"}])";
  EXPECT_EQ(ranges_of(fused, {120}, 0, 4), (Ranges{{0, 20}, {80, 90}, {100, 110}}));
  EXPECT_EQ(ranges_of(fused, {120}, 3, 4), (Ranges{{60, 80}, {90, 100}, {110, 120}}));
  EXPECT_EQ(ranges_of(R"("dim": 0, "segments": [{}, {}])", {8}, 1, 2), (Ranges{{2, 4}, {6, 8}}));
  EXPECT_EQ(ranges_of(R"("dim": 0, "segments": [{"share": 3, "heads": 6}, {}])", {16}, 1, 2),
            (Ranges{{6, 12}, {14, 16}}));
}

TEST(RuleTest, LeavesTensorsWithoutARuleWhole) {
  ASSERT_OK_AND_ASSIGN(const auto rules, TensorParallelRules::parse(one_rule(R"("dim": 7)")));
  EXPECT_TRUE(rules.part("v", DType::kF32, Dims{3}, 1, 2).value().whole());
  EXPECT_TRUE(rules.part("v", static_cast<DType>(999), Dims{3}, 1, 2).value().whole());
}

TEST(RuleTest, TakesTheFirstRuleThatMatches) {
  ASSERT_OK_AND_ASSIGN(const auto rules, TensorParallelRules::parse(R"({
    "wpack_tensor_parallel": 1,
    "rules": [{"tensors": ["a.?.x", "b*"], "dim": 1}, {"tensors": ["*"], "dim": 0}]})"));
  EXPECT_EQ(rules.part("a.1.x", DType::kU8, Dims{2, 2}, 0, 2).value().dim, 1U);
  EXPECT_EQ(rules.part("b.any.thing", DType::kU8, Dims{2, 2}, 0, 2).value().dim, 1U);
  EXPECT_EQ(rules.part("a.10.x", DType::kU8, Dims{2, 2}, 0, 2).value().dim, 0U);
}

TEST(RuleTest, LooksNumbersUpInTheFileBeforeTheModel) {
  const std::string config = R"({"kv": 4, "heads": 8, "nested": {"deep": [{"heads": 1}]}})";
  const auto dim_of = [&](const std::string& members) {
    auto rules = TensorParallelRules::parse(one_rule(members), config);
    EXPECT_THAT(rules, IsOk());
    return rules->part("w", DType::kU8, Dims{16}, 1, 4).value().ranges;
  };
  EXPECT_EQ(dim_of(R"("dim": 0, "heads": "kv")"), (Ranges{{0, 8}}));
  EXPECT_EQ(dim_of(R"("dim": 0, "heads": "heads")"), (Ranges{{4, 8}}));
}

TEST(RuleTest, RefusesWhatDoesNotDivideByName) {
  const auto invalid = ErrorCode::kInvalidArgument;
  EXPECT_THAT(
      part_of(R"("dim": 1)", {4, 10}, 0, 4),
      Fails(invalid, "tensor 'w': dimension 1 of 10 elements cannot be divided by 4 ranks"));
  EXPECT_THAT(part_of(R"("dim": 0, "heads": 3)", {10}, 0, 1),
              Fails(invalid, "dimension 0 of 10 elements cannot be divided by 3 heads"));
  EXPECT_THAT(part_of(R"("dim": 0, "heads": 6)", {12}, 0, 4),
              Fails(invalid, "6 heads in dimension 0 of 12 elements cannot be divided by 4 ranks"));
  EXPECT_THAT(part_of(R"("dim": 0, "heads": 3)", {12}, 0, 4),
              Fails(invalid, "4 ranks for dimension 0 of 12 elements cannot be divided by 3"));
  EXPECT_THAT(part_of(R"("dim": 0, "segments": [{}, {"share": 2}])", {10}, 0, 1),
              Fails(invalid, "cannot be divided by the 3 shares of its segments"));
  EXPECT_THAT(part_of(R"("dim": 0, "segments": [{}, {"share": 2}])", {9}, 0, 2),
              Fails(invalid, "segment 0 of 3 elements of dimension 0 cannot be divided by 2"));
  EXPECT_THAT(part_of(R"("dim": 2)", {4, 10}, 0, 2),
              Fails(invalid, "tensor 'w': its rule splits dimension 2, and it has 2"));
  EXPECT_THAT(part_of(R"("dim": 0)", {6}, 0, 2, DType::kF4),
              Fails(invalid, "tensor 'w': range [0, 3) of dimension 0 does not begin and end"));
  EXPECT_THAT(part_of(R"("dim": 0)", {6}, 0, 2, static_cast<DType>(999)),
              Fails(ErrorCode::kBadInput, "tensor 'w' has element type 999"));
}

TEST(RuleTest, RefusesRanksThatDoNotExist) {
  for (const auto& [rank, size] : {std::pair{0U, 0U}, {2U, 2U}, {0U, 65'537U}}) {
    EXPECT_THAT(part_of(R"("dim": 0)", {8}, rank, size),
                Fails(ErrorCode::kInvalidArgument, "ranks, counted from 0"));
  }
}

struct Refusal {
  std::string text;
  std::string part;
  ErrorCode code = ErrorCode::kBadInput;
};

class RuleRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RuleRefusalTest, RefusesItInOneLine) {
  EXPECT_THAT(TensorParallelRules::parse(GetParam().text), Fails(GetParam().code, GetParam().part));
}

std::string repeated(const std::string& text, std::size_t count) {
  std::string result = text;
  for (std::size_t i = 1; i < count; ++i) result += "," + text;
  return result;
}

std::string with_version(const std::string& members) {
  return R"({"wpack_tensor_parallel": 1, )" + members + "}";
}

INSTANTIATE_TEST_SUITE_P(
    Files, RuleRefusalTest,
    ::testing::Values(
        Refusal{"", "it is not valid JSON"}, Refusal{"{", "it is not valid JSON"},
        Refusal{"[]", "the file must be an object"}, Refusal{"{} {}", "it is not valid JSON"},
        Refusal{std::string("{}\0", 3), "NUL byte"}, Refusal{"\xef\xbb\xbf{}", "byte order mark"},
        Refusal{"{\"comment\": \"\xff\"}", "it is not valid JSON"},
        Refusal{std::string(100'000, '['), "nested too deeply"},
        Refusal{std::string((1 << 20) + 1, ' '), "at most 1048576", ErrorCode::kLimit},
        Refusal{R"({"rules": []})", "the file has no \"wpack_tensor_parallel\""},
        Refusal{R"({"wpack_tensor_parallel": 2})", "wpack_tensor_parallel must be a whole number"},
        Refusal{R"({"wpack_tensor_parallel": 1})", "the file has no \"rules\""},
        Refusal{R"({"rules": 1, "rules": 1})", "\"rules\" stands twice"},
        Refusal{with_version(R"("rule": [])"), "the file has the unknown key \"rule\""},
        Refusal{with_version(R"("comment": 1, "rules": [])"), "\"comment\" that is not a text"},
        Refusal{with_version(R"("values": [], "rules": [])"), "values must be an object"},
        Refusal{with_version(R"("values": {"a\u001b": 0}, "rules": [])"),
                "values.\"a\\x1b\" must be a whole number from 1 to 4294967296"},
        Refusal{with_version(R"("values": {"a": 1.5}, "rules": [])"), "values.\"a\" must be"},
        Refusal{with_version(R"("rules": [])"), "rules must be a list that is not empty"},
        Refusal{with_version(R"("rules": {})"), "rules must be a list"},
        Refusal{with_version("\"rules\": [" + repeated("0", 1025) + "]"), "rules has 1025 entries",
                ErrorCode::kLimit},
        Refusal{with_version(R"("rules": [7])"), "rules[0] must be an object"},
        Refusal{with_version(R"("rules": [{"dim": 0}])"), "rules[0] has no \"tensors\""},
        Refusal{with_version(R"("rules": [{"tensors": ["w"]}])"), "rules[0] has no \"dim\""},
        Refusal{with_version(R"("rules": [{"tensors": "w", "dim": 0}])"),
                "rules[0].tensors must be a list"},
        Refusal{with_version(R"("rules": [{"tensors": ["w", ""], "dim": 0}])"),
                "rules[0].tensors[1] must be a text of 1 to 4096 bytes"},
        Refusal{with_version(R"("rules": [{"tensors": [3], "dim": 0}])"), "tensors[0] must be"},
        Refusal{one_rule(R"("dim": -1)"), "rules[0].dim must be a whole number from 0 to 254"},
        Refusal{one_rule(R"("dim": 255)"), "rules[0].dim must be"},
        Refusal{one_rule(R"("dim": "0")"), "rules[0].dim must be"},
        Refusal{one_rule(R"("dim": 0, "axis": 1)"), "rules[0] has the unknown key \"axis\""},
        Refusal{one_rule(R"("dim": 0, "heads": 0)"), "rules[0].heads must be a whole number"},
        Refusal{one_rule(R"("dim": 0, "heads": 4294967297)"), "rules[0].heads must be"},
        Refusal{one_rule(R"("dim": 0, "heads": 1e3)"), "rules[0].heads must be"},
        Refusal{one_rule(R"("dim": 0, "heads": "q")"),
                "rules[0].heads names \"q\", which neither \"values\" nor the model's"},
        Refusal{one_rule(R"("dim": 0, "heads": 2, "segments": [{}])"),
                "rules[0] has both \"heads\" and \"segments\""},
        Refusal{one_rule(R"("dim": 0, "segments": [])"), "rules[0].segments must be a list"},
        Refusal{one_rule("\"dim\": 0, \"segments\": [" + repeated("{}", 65) + "]"),
                "rules[0].segments has 65 entries", ErrorCode::kLimit},
        Refusal{one_rule(R"("dim": 0, "segments": [{}, 1])"), "rules[0].segments[1] must be"},
        Refusal{one_rule(R"("dim": 0, "segments": [{"size": 1}])"), "unknown key \"size\""},
        Refusal{one_rule(R"("dim": 0, "segments": [{"share": 0}])"),
                "rules[0].segments[0].share must be"}));

TEST(RuleConfigTest, RefusesAConfigurationThatIsNone) {
  const std::string rules = one_rule(R"("dim": 0, "heads": "n")");
  EXPECT_THAT(TensorParallelRules::parse(rules, "[]"),
              Fails(ErrorCode::kBadInput, "the model's configuration is not a JSON object"));
  EXPECT_THAT(TensorParallelRules::parse(rules, R"({"n": "8"})"),
              Fails(ErrorCode::kBadInput, "rules[0].heads: \"n\" must be a whole number"));
  EXPECT_THAT(TensorParallelRules::parse(rules, R"({"n": {"n": 8}})"),
              Fails(ErrorCode::kBadInput, "rules[0].heads: \"n\" must be a whole number"));
}

TEST(RuleFileTest, NamesTheFileInErrors) {
  const testing::TempDir directory;
  const std::string path = directory.path() / "rules.json";
  EXPECT_THAT(TensorParallelRules::read(path), Fails(ErrorCode::kIo, "rules.json"));
  std::ofstream(path) << one_rule(R"("dim": -1)");
  EXPECT_THAT(TensorParallelRules::read(path),
              Fails(ErrorCode::kBadInput, "rules.json: rules[0].dim must be a whole number"));
  std::ofstream(path) << std::string((1 << 20) + 1, ' ');
  EXPECT_THAT(TensorParallelRules::read(path), Fails(ErrorCode::kLimit, "has 1048577 bytes"));
  std::ofstream(path) << one_rule(R"("dim": 0)");
  EXPECT_THAT(TensorParallelRules::read(path), IsOk());
}

}  // namespace
}  // namespace wpack
