// GoogleTest matchers for Result and Status.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "wpack/error.h"

namespace wpack::testing {

// EXPECT_THAT(result, IsOk());
MATCHER(IsOk, negation ? "is an error" : "is a success") {
  if (arg) return true;
  *result_listener << "with the error " << arg.error().message();
  return false;
}

// EXPECT_THAT(result, Fails(ErrorCode::kBadInput, "part of the message"));
MATCHER_P2(Fails, code, part, std::string("fails with the message part \"") + part + "\"") {
  if (arg) {
    *result_listener << "but it succeeded";
    return false;
  }
  *result_listener << "with code " << static_cast<int>(arg.error().code()) << " and message "
                   << arg.error().message();
  return arg.error().code() == code && arg.error().message().find(part) != std::string::npos &&
         arg.error().message().find('\n') == std::string::npos;
}

}  // namespace wpack::testing

// `ASSERT_OK_AND_ASSIGN(auto file, File::open_read(path));`
#define ASSERT_OK_AND_ASSIGN(declaration, expression)                                \
  auto WPACK_INTERNAL_JOIN(wpack_test_, __LINE__) = (expression);                    \
  ASSERT_THAT(WPACK_INTERNAL_JOIN(wpack_test_, __LINE__), ::wpack::testing::IsOk()); \
  declaration = *std::move(WPACK_INTERNAL_JOIN(wpack_test_, __LINE__))
