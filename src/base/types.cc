#include "wpack/types.h"

#include <algorithm>
#include <array>

#include "base/checked_math.h"

namespace wpack {
namespace {

constexpr auto kDTypes = std::to_array<DTypeInfo>({
    {DType::kBool, "BOOL", "bool", true, 8, 1},
    {DType::kU8, "U8", "uint8", true, 8, 1},
    {DType::kI8, "I8", "int8", true, 8, 1},
    {DType::kU16, "U16", "uint16", true, 16, 2},
    {DType::kI16, "I16", "int16", true, 16, 2},
    {DType::kU32, "U32", "uint32", true, 32, 4},
    {DType::kI32, "I32", "int32", true, 32, 4},
    {DType::kU64, "U64", "uint64", true, 64, 8},
    {DType::kI64, "I64", "int64", true, 64, 8},
    {DType::kF16, "F16", "float16", true, 16, 2},
    {DType::kBF16, "BF16", "bfloat16", true, 16, 2},
    {DType::kF32, "F32", "float32", true, 32, 4},
    {DType::kF64, "F64", "float64", true, 64, 8},
    {DType::kC32, "C32", "complex32", false, 32, 2},
    {DType::kC64, "C64", "complex64", true, 64, 4},
    {DType::kC128, "C128", "complex128", false, 128, 8},
    {DType::kBC32, "BC32", "bcomplex32", false, 32, 2},
    {DType::kF8E4M3, "F8_E4M3", "float8_e4m3fn", true, 8, 1},
    {DType::kF8E5M2, "F8_E5M2", "float8_e5m2", true, 8, 1},
    {DType::kF8E4M3FNUZ, "F8_E4M3FNUZ", "float8_e4m3fnuz", true, 8, 1},
    {DType::kF8E5M2FNUZ, "F8_E5M2FNUZ", "float8_e5m2fnuz", true, 8, 1},
    {DType::kF8E8M0, "F8_E8M0", "float8_e8m0fnu", true, 8, 1},
    {DType::kF4, "F4", "", true, 4, 1},
    {DType::kF6E2M3, "F6_E2M3", "", true, 6, 1},
    {DType::kF6E3M2, "F6_E3M2", "", true, 6, 1},
    {DType::kF4X2, "F4X2", "float4_e2m1fn_x2", false, 8, 1},
    {DType::kU4, "U4", "", false, 4, 1},
    {DType::kI4, "I4", "", false, 4, 1},
    {DType::kU2, "U2", "", false, 2, 1},
    {DType::kI2, "I2", "", false, 2, 1},
    {DType::kQI8, "QI8", "qint8", false, 8, 1},
    {DType::kQU8, "QU8", "quint8", false, 8, 1},
    {DType::kQI32, "QI32", "qint32", false, 32, 4},
    {DType::kQU4X2, "QU4X2", "quint4x2", false, 4, 1},
    {DType::kQU2X4, "QU2X4", "quint2x4", false, 2, 1},
    {DType::kBits8, "BITS8", "bits8", false, 8, 1},
    {DType::kBits16, "BITS16", "bits16", false, 16, 2},
    {DType::kBits1X8, "BITS1X8", "bits1x8", false, 8, 1},
    {DType::kBits2X4, "BITS2X4", "bits2x4", false, 8, 1},
    {DType::kBits4X2, "BITS4X2", "bits4x2", false, 8, 1},
    {DType::kU1In8, "U1_IN_8", "uint1", false, 8, 1},
    {DType::kU2In8, "U2_IN_8", "uint2", false, 8, 1},
    {DType::kU3In8, "U3_IN_8", "uint3", false, 8, 1},
    {DType::kU4In8, "U4_IN_8", "uint4", false, 8, 1},
    {DType::kU5In8, "U5_IN_8", "uint5", false, 8, 1},
    {DType::kU6In8, "U6_IN_8", "uint6", false, 8, 1},
    {DType::kU7In8, "U7_IN_8", "uint7", false, 8, 1},
    {DType::kI1In8, "I1_IN_8", "int1", false, 8, 1},
    {DType::kI2In8, "I2_IN_8", "int2", false, 8, 1},
    {DType::kI3In8, "I3_IN_8", "int3", false, 8, 1},
    {DType::kI4In8, "I4_IN_8", "int4", false, 8, 1},
    {DType::kI5In8, "I5_IN_8", "int5", false, 8, 1},
    {DType::kI6In8, "I6_IN_8", "int6", false, 8, 1},
    {DType::kI7In8, "I7_IN_8", "int7", false, 8, 1},
});

const DTypeInfo* row_or_null(const DTypeInfo* row) noexcept {
  return row == kDTypes.end() ? nullptr : row;
}

}  // namespace

const DTypeInfo* find_dtype(DType dtype) noexcept {
  const auto* row = std::ranges::lower_bound(kDTypes, dtype, {}, &DTypeInfo::dtype);
  return row != kDTypes.end() && row->dtype == dtype ? row : nullptr;
}

const DTypeInfo* find_dtype_by_name(std::string_view name) noexcept {
  return row_or_null(std::ranges::find(kDTypes, name, &DTypeInfo::name));
}

const DTypeInfo* find_dtype_by_torch_name(std::string_view name) noexcept {
  if (name.empty()) return nullptr;
  return row_or_null(std::ranges::find(kDTypes, name, &DTypeInfo::torch_name));
}

std::span<const DTypeInfo> all_dtypes() noexcept { return kDTypes; }

std::string_view dtype_name(DType dtype) noexcept {
  const DTypeInfo* info = find_dtype(dtype);
  return info != nullptr ? info->name : "unknown";
}

std::optional<std::uint64_t> element_count(Shape shape) noexcept {
  if (std::ranges::find(shape, std::uint64_t{0}) != shape.end()) return 0;
  std::uint64_t count = 1;
  for (const std::uint64_t dimension : shape) {
    const auto product = base::checked_mul(count, dimension);
    if (!product) return std::nullopt;
    count = *product;
  }
  return count;
}

std::optional<std::uint64_t> tensor_nbytes(DType dtype, Shape shape) noexcept {
  const DTypeInfo* info = find_dtype(dtype);
  const auto count = element_count(shape);
  if (info == nullptr || !count) return std::nullopt;
  const auto bits = base::checked_mul(*count, info->bits);
  if (!bits) return std::nullopt;
  return *bits / 8 + (*bits % 8 != 0 ? 1 : 0);
}

}  // namespace wpack
