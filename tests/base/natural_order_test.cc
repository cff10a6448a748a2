#include "base/natural_order.h"

#include <gtest/gtest.h>

namespace wpack::base {
namespace {

TEST(NaturalCompareTest, ComparesNumbersByValue) {
  EXPECT_TRUE(natural_compare("h.2", "h.10") < 0);
  EXPECT_TRUE(natural_compare("h.9.z", "h.10.a") < 0);
  EXPECT_TRUE(natural_compare("h.99999999999999999999", "h.9") > 0);
}

TEST(NaturalCompareTest, NeverCallsDifferentNamesEqual) {
  EXPECT_TRUE(natural_compare("h.01", "h.1") != 0);
  EXPECT_TRUE(natural_compare("h.1", "h.1") == 0);
  EXPECT_TRUE(natural_compare("h", "h.1") < 0);
}

}  // namespace
}  // namespace wpack::base
