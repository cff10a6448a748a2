#include "wpack/types.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace wpack {
namespace {

TEST(DTypeTest, ListsEachNumberAndNameOnceInAscendingOrder) {
  std::set<std::string_view> names;
  std::uint16_t previous = 0;
  for (const DTypeInfo& row : all_dtypes()) {
    EXPECT_GT(static_cast<std::uint16_t>(row.dtype), previous);
    previous = static_cast<std::uint16_t>(row.dtype);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(find_dtype(row.dtype), &row);
    EXPECT_EQ(find_dtype_by_name(row.name), &row);
  }
}

TEST(DTypeTest, ReturnsNothingForUnknownNumbersAndNames) {
  EXPECT_EQ(find_dtype(static_cast<DType>(0)), nullptr);
  EXPECT_EQ(find_dtype(static_cast<DType>(65535)), nullptr);
  EXPECT_EQ(find_dtype_by_name("f32"), nullptr);
  EXPECT_EQ(find_dtype_by_torch_name(""), nullptr);
  EXPECT_EQ(dtype_name(static_cast<DType>(999)), "unknown");
}

TEST(TensorNbytesTest, CountsZeroDimensionalAndEmptyTensors) {
  EXPECT_EQ(tensor_nbytes(DType::kF32, {}), 4U);
  const std::vector<std::uint64_t> empty = {0, std::uint64_t{1} << 63, 8};
  EXPECT_EQ(tensor_nbytes(DType::kF32, empty), 0U);
}

TEST(TensorNbytesTest, RoundsSubByteTypesUp) {
  const std::vector<std::uint64_t> three = {3};
  EXPECT_EQ(tensor_nbytes(DType::kF4, three), 2U);
  EXPECT_EQ(tensor_nbytes(DType::kF6E2M3, three), 3U);
}

TEST(TensorNbytesTest, RejectsProductsThatOverflow) {
  const std::vector<std::uint64_t> huge = {std::uint64_t{1} << 32, std::uint64_t{1} << 32};
  EXPECT_EQ(tensor_nbytes(DType::kU8, huge), std::nullopt);
  const std::vector<std::uint64_t> bits = {std::uint64_t{1} << 61};
  EXPECT_EQ(tensor_nbytes(DType::kF64, bits), std::nullopt);
}

}  // namespace
}  // namespace wpack
