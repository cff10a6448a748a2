#include "folder/weight_map.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "support/result_matchers.h"

namespace wpack::folder {
namespace {

using testing::Fails;

std::string repeat(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

// An index of one tensor, whose file is this JSON value.
std::string one_entry(const std::string& file) { return R"({"weight_map":{"w":)" + file + "}}"; }

TEST(WeightMapTest, ReadsWhatTransformersWrites) {
  ASSERT_OK_AND_ASSIGN(const WeightMap map, WeightMap::parse(R"({
  "metadata": {"total_parameters": 7920, "total_size": 15840},
  "weight_map": {
    "model.norm.weight": "model-00002-of-00010.safetensors",
    "lm_head.weight": "model-00010-of-00010.safetensors",
    "model.embed_tokens.weight": "model-00002-of-00010.safetensors"
  }
}
)"));
  ASSERT_EQ(map.files().size(), 2U);
  EXPECT_EQ(map.files()[0], "model-00002-of-00010.safetensors");
  EXPECT_EQ(map.files()[1], "model-00010-of-00010.safetensors");
  ASSERT_EQ(map.size(), 3U);
  EXPECT_EQ(map.name(0), "lm_head.weight");
  EXPECT_EQ(map.file(0), 1U);
  EXPECT_EQ(map.name(1), "model.embed_tokens.weight");
  EXPECT_EQ(map.file(1), 0U);
  EXPECT_EQ(map.name(2), "model.norm.weight");
  EXPECT_EQ(map.total_size(), 15840U);
  EXPECT_TRUE(map.warnings().empty());
}

TEST(WeightMapTest, PutsFilesInNaturalOrder) {
  ASSERT_OK_AND_ASSIGN(const WeightMap map,
                       WeightMap::parse(R"({"weight_map":{"a":"m-10","b":"m-9","c":"m-100"}})"));
  EXPECT_EQ(std::vector(map.files().begin(), map.files().end()),
            (std::vector<std::string>{"m-9", "m-10", "m-100"}));
  EXPECT_EQ(map.file(0), 1U);
  EXPECT_EQ(map.file(1), 0U);
  EXPECT_EQ(map.file(2), 2U);
}

TEST(WeightMapTest, TakesATotalSizeThatIsAWholeNumberAlone) {
  const std::map<std::string, std::optional<std::uint64_t>> values = {
      {"0", 0U},
      {"18446744073709551615", ~std::uint64_t{0}},
      {"13476839424.0", std::nullopt},
      {"-1", std::nullopt},
      {"\"12\"", std::nullopt},
      {"null", std::nullopt},
      {"{\"total_size\": 3}", std::nullopt},
      {"[5]", std::nullopt}};
  for (const auto& [value, expected] : values) {
    SCOPED_TRACE(value);
    ASSERT_OK_AND_ASSIGN(
        const WeightMap map,
        WeightMap::parse(R"({"metadata":{"total_size":)" + value + R"(},"weight_map":{"w":"f"}})"));
    EXPECT_EQ(map.total_size(), expected);
  }
}

TEST(WeightMapTest, AcceptsAnyMetadata) {
  for (const std::string value : {"null", "7", "[]", "[{\"total_size\":1},{\"total_size\":2}]",
                                  "{}", R"({"a":{"b":[1,{"b":2,"b":3}]},"total_size":9})"}) {
    SCOPED_TRACE(value);
    ASSERT_OK_AND_ASSIGN(const WeightMap map, WeightMap::parse(R"({"metadata":)" + value +
                                                               R"(,"weight_map":{"w":"f"}})"));
    EXPECT_EQ(map.total_size().has_value(), value.ends_with(":9}"));
  }
}

TEST(WeightMapTest, WarnsOfKeysThatItDoesNotKnow) {
  ASSERT_OK_AND_ASSIGN(
      const WeightMap map,
      WeightMap::parse(R"({"extra\u001b":{"weight_map":7},"weight_map":{"w":"f"},"more":[]})"));
  ASSERT_EQ(map.warnings().size(), 1U);
  EXPECT_EQ(map.warnings()[0], "unknown key \"extra\\x1b\" ignored");
  EXPECT_EQ(map.size(), 1U);
}

struct Refused {
  const char* name;
  std::string text;
  std::string part;
  ErrorCode code = ErrorCode::kBadInput;
};
void PrintTo(const Refused& row, std::ostream* out) { *out << row.name; }

class RefusedWeightMapTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedWeightMapTest, NamesTheCause) {
  const Refused& row = GetParam();
  const auto map = WeightMap::parse(row.text);
  EXPECT_THAT(map, Fails(row.code, row.part));
  EXPECT_LE(map.error().message().size(), 2048U);
}

std::vector<Refused> broken_json() {
  return {
      {"Empty", "", "not valid JSON"},
      {"Cut", R"({"weight_map":{"w":"f")", "not valid JSON"},
      {"TextBehind", one_entry("\"f\"") + "x", "not valid JSON"},
      {"SecondObject", one_entry("\"f\"") + one_entry("\"f\""), "not valid JSON"},
      {"Nul", one_entry("\"f\"") + std::string(1, '\0'), "NUL byte (offset 24)"},
      {"ByteOrderMark", "\xef\xbb\xbf" + one_entry("\"f\""), "byte order mark"},
      {"NotUtf8", "{\"weight_map\":{\"\xff\":\"f\"}}", "not valid JSON"},
      {"DeepMetadata", R"({"metadata":)" + repeat("[", 100'000) + repeat("]", 100'000) + "}",
       "nested too deeply"},
      {"DeepElsewhere", R"({"x":)" + repeat("{\"a\":", 100'000), "nested too deeply"},
  };
}

std::vector<Refused> wrong_structure() {
  return {
      {"Array", "[]", "it must be an object (offset 1)"},
      {"Text", "\"x\"", "it must be an object"},
      {"Number", "7", "it must be an object"},
      {"Null", "null", "it must be an object"},
      {"NoWeightMap", R"({"metadata":{}})", "it has no weight_map"},
      {"EmptyWeightMap", R"({"weight_map":{}})", "its weight_map is empty"},
      {"WeightMapIsNull", R"({"weight_map":null})", "weight_map must be an object"},
      {"WeightMapIsAList", R"({"weight_map":[]})", "weight_map must be an object"},
      {"WeightMapIsAText", R"({"weight_map":"w"})", "weight_map must be an object"},
      {"FileIsANumber", one_entry("7"), "tensor \"w\": its file must be a text"},
      {"FileIsNull", one_entry("null"), "tensor \"w\": its file must be a text"},
      {"FileIsAList", one_entry("[\"f\"]"), "tensor \"w\": its file must be a text"},
      {"FileIsAnObject", one_entry("{}"), "tensor \"w\": its file must be a text"},
      {"TensorTwice", R"({"weight_map":{"w":"f","v":"f","w":"f"}})",
       "tensor \"w\" appears twice in weight_map"},
      {"TensorTwiceByEscapes", R"({"weight_map":{"w":"f","\u0077":"g"}})",
       "tensor \"w\" appears twice in weight_map"},
      {"WeightMapTwice", R"({"weight_map":{"w":"f"},"weight_map":{"v":"f"}})",
       "\"weight_map\" appears twice (offset 36)"},
      {"MetadataTwice", R"({"metadata":{},"metadata":{},"weight_map":{"w":"f"}})",
       "\"metadata\" appears twice"},
      {"TotalSizeTwice", R"({"metadata":{"total_size":1,"total_size":2}})",
       "\"total_size\" appears twice"},
  };
}

std::vector<Refused> bad_file_names() {
  std::vector<Refused> rows;
  const std::vector<std::pair<const char*, std::string>> names = {
      {"Empty", R"("")"},
      {"Dot", R"(".")"},
      {"DotDot", R"("..")"},
      {"Parent", R"("../model.safetensors")"},
      {"ParentInside", R"("a/../../model.safetensors")"},
      {"Subfolder", R"("a/model.safetensors")"},
      {"Absolute", R"("/etc/passwd")"},
      {"TrailingSlash", R"("a/")"},
      {"EscapedSlash", R"("a\u002fb")"},
      {"Backslash", R"("..\\model.safetensors")"},
      {"Hidden", R"(".model.safetensors")"},
      {"Nul", R"("a\u0000.safetensors")"},
      {"Newline", R"("a\n.safetensors")"},
      {"Escape", R"("\u001b[2J")"},
      {"Delete", R"("a\u007f")"},
      {"C1", R"("a\u0085")"},
      {"Long", "\"" + std::string(256, 'x') + "\""},
  };
  rows.reserve(names.size());
  for (const auto& [name, value] : names)
    rows.push_back({name, one_entry(value), "is not a plain name in this folder"});
  return rows;
}

std::string many_files(std::size_t count) {
  std::string text = R"({"weight_map":{"")";
  for (std::size_t i = 0; i < count; ++i)
    text += (i == 0 ? ":\"" : ",\"\":\"") + std::to_string(i) + "\"";
  return text + "}}";
}

std::vector<Refused> past_the_caps() {
  std::string keys = "{";
  for (int i = 0; i < 4'097; ++i) keys += "\"" + std::to_string(i) + "\":0,";
  return {
      {"Files", many_files(16'385), "more than 16384 files", ErrorCode::kLimit},
      {"Tensors", R"({"weight_map":{)" + repeat(R"("":"f",)", std::size_t{1} << 21) + R"("":"f"}})",
       "more than 2097152 tensors", ErrorCode::kLimit},
      {"Keys", keys + R"("weight_map":{"w":"f"}})", "more than 4096 keys", ErrorCode::kLimit},
      {"MetadataKeys", R"({"metadata":)" + keys + "\"x\":0}}", "more than 4096 keys",
       ErrorCode::kLimit},
      {"LongTensorName", R"({"weight_map":{")" + std::string(100'000, 'x') + R"(":7}})",
       "its file must be a text"},
  };
}

const auto kName = [](const auto& row) { return std::string(row.param.name); };
INSTANTIATE_TEST_SUITE_P(Json, RefusedWeightMapTest, ::testing::ValuesIn(broken_json()), kName);
INSTANTIATE_TEST_SUITE_P(Structure, RefusedWeightMapTest, ::testing::ValuesIn(wrong_structure()),
                         kName);
INSTANTIATE_TEST_SUITE_P(FileName, RefusedWeightMapTest, ::testing::ValuesIn(bad_file_names()),
                         kName);
INSTANTIATE_TEST_SUITE_P(Cap, RefusedWeightMapTest, ::testing::ValuesIn(past_the_caps()), kName);

// A parser that is fed one broken byte at a time neither crashes nor takes the text for sound where
// JSON says it is not.
TEST(WeightMapTest, SurvivesEveryTruncation) {
  const std::string text =
      R"({"metadata":{"total_size":12,"x":[1,{"y":null}]},"weight_map":{"a":"f","b\u00e4":"g"}})";
  ASSERT_TRUE(WeightMap::parse(text));
  for (std::size_t size = 0; size < text.size(); ++size)
    EXPECT_THAT(WeightMap::parse(text.substr(0, size)), Fails(ErrorCode::kBadInput, "JSON"));
}

}  // namespace
}  // namespace wpack::folder
