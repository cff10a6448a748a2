#include "wpack/use_order.h"

#include <gtest/gtest.h>

#include "support/result_matchers.h"

namespace wpack::testing {
namespace {

TEST(UseOrderTest, ReadsWhatItWrote) {
  const UseOrder order{{"embed", "layers.0", "a \"quoted\"\nname", "größe"}};
  ASSERT_OK_AND_ASSIGN(const UseOrder read, parse_use_order(to_json(order)));
  EXPECT_EQ(read, order);
}

TEST(UseOrderTest, ReadsThatNothingWasUsed) {
  ASSERT_OK_AND_ASSIGN(const UseOrder read, parse_use_order(to_json(UseOrder{})));
  EXPECT_EQ(read, UseOrder{});
}

TEST(UseOrderTest, ReadsWhatAPersonWrote) {
  ASSERT_OK_AND_ASSIGN(
      const UseOrder read,
      parse_use_order(R"({"layers": ["b", "a"], "comment": "b first", "wpack_use_order": 1})"));
  EXPECT_EQ(read.layers, (std::vector<std::string>{"b", "a"}));
}

struct BadOrder {
  const char* name;
  std::string text;
  const char* reason;
  ErrorCode code = ErrorCode::kBadInput;
};

std::string orders_of(std::size_t count) {
  std::string text = R"({"wpack_use_order":1,"layers":[0)";
  for (std::size_t i = 1; i < count; ++i) text += ",0";
  return text + "]}";
}

class BadUseOrderTest : public ::testing::TestWithParam<BadOrder> {};

TEST_P(BadUseOrderTest, IsRefusedWithItsPlace) {
  EXPECT_THAT(parse_use_order(GetParam().text), Fails(GetParam().code, GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Orders, BadUseOrderTest,
    ::testing::Values(
        BadOrder{"Empty", "", "not valid JSON"}, BadOrder{"List", "[]", "must be an object"},
        BadOrder{"Deep", std::string(100'000, '['), "nested too deeply"},
        BadOrder{"Trailing", R"({"wpack_use_order":1,"layers":["a"]} x)", "not valid JSON"},
        BadOrder{"NoKind", R"({"layers":["a"]})", "has no \"wpack_use_order\""},
        BadOrder{"NewerVersion", R"({"wpack_use_order":2,"layers":["a"]})",
                 "wpack_use_order must be a whole number from 1 to 1"},
        BadOrder{"OtherKind", R"({"wpack_tensor_parallel":1,"layers":["a"]})",
                 "has the unknown key \"wpack_tensor_parallel\""},
        BadOrder{"NoLayers", R"({"wpack_use_order":1})", "has no \"layers\""},
        BadOrder{"LayersAreNoList", R"({"wpack_use_order":1,"layers":"a"})",
                 "layers must be a list that is not empty"},
        BadOrder{"LayerIsANumber", R"({"wpack_use_order":1,"layers":["a",7]})",
                 "layers[1] must be a text"},
        BadOrder{"LayerStandsTwice", R"({"wpack_use_order":1,"layers":["a","b","a"]})",
                 "layers[2] names 'a' again"},
        BadOrder{"KeyStandsTwice", R"({"wpack_use_order":1,"layers":["a"],"layers":["b"]})",
                 "\"layers\" stands twice"},
        BadOrder{"InvalidUtf8", "{\"wpack_use_order\":1,\"layers\":[\"\xff\"]}", "not valid JSON"},
        BadOrder{"TooManyLayers", orders_of((1 << 20) + 1), "has 1048577 entries",
                 ErrorCode::kLimit},
        BadOrder{"TooLong", std::string(kMaxUseOrderSize + 1, ' '), "has 8388609 bytes",
                 ErrorCode::kLimit}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace wpack::testing
