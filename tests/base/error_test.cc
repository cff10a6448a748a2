#include "wpack/error.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace wpack {
namespace {

Status fails() { return Error(ErrorCode::kIo, 5, "read failed"); }
Result<std::unique_ptr<int>> succeeds() { return std::make_unique<int>(7); }

Result<int> adds_one() {
  WPACK_ASSIGN(const auto number, succeeds());
  return *number + 1;
}

Result<int> stops_at_the_failure() {
  WPACK_TRY(fails());
  return 1;
}

TEST(ErrorTest, PutsContextInFrontOfTheMessage) {
  const Error error = Error(ErrorCode::kIo, 5, "read failed").in("shard 3").in("m.wpack");
  EXPECT_EQ(error.message(), "m.wpack: shard 3: read failed");
  EXPECT_EQ(error.system_errno(), 5);
}

TEST(ErrorTest, KeepsItsPinnedNumbers) {
  EXPECT_EQ(static_cast<int>(ErrorCode::kInternal), 1);
  EXPECT_EQ(static_cast<int>(ErrorCode::kInvalidArgument), 2);
  EXPECT_EQ(static_cast<int>(ErrorCode::kBadInput), 3);
  EXPECT_EQ(static_cast<int>(ErrorCode::kIntegrity), 4);
  EXPECT_EQ(static_cast<int>(ErrorCode::kIo), 5);
  EXPECT_EQ(static_cast<int>(ErrorCode::kLimit), 6);
  EXPECT_EQ(static_cast<int>(ErrorCode::kUnsupportedHost), 7);
  EXPECT_EQ(static_cast<int>(ErrorCode::kNotFound), 8);
  EXPECT_EQ(static_cast<int>(ErrorCode::kCancelled), 130);
}

TEST(ResultTest, CarriesMoveOnlyValuesThroughAssign) {
  const auto result = adds_one();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(*result, 8);
}

struct Base {
  virtual ~Base() = default;
};
struct Derived final : Base {};

Result<std::unique_ptr<Base>> converts(bool succeed) {
  const auto make = [&]() -> Result<std::unique_ptr<Derived>> {
    if (!succeed) return Error(ErrorCode::kIo, 5, "read failed");
    return std::make_unique<Derived>();
  };
  return make();
}

TEST(ResultTest, ConvertsWhatItHolds) {
  EXPECT_NE(converts(true).value(), nullptr);
  EXPECT_EQ(converts(false).error().message(), "read failed");
  EXPECT_EQ(converts(false).error().system_errno(), 5);
}

TEST(ResultTest, ReturnsTheFirstErrorThroughTry) {
  const auto result = stops_at_the_failure();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "read failed");
  EXPECT_EQ(result.value_or(3), 3);
}

}  // namespace
}  // namespace wpack
