// The small vocabulary types of wpack: byte spans, ranges, element types and shapes.
//
// Everywhere in wpack: `size` is bytes, `count` is elements, ranges are half-open, quantities of a
// file are uint64_t, and multi-byte values of a file are little-endian. Shapes are row-major
// (the last dimension is contiguous).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "wpack/export.h"

namespace wpack {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// Dimensions of a tensor in elements, outermost first; empty for a 0-d tensor (one element).
using Shape = std::span<const std::uint64_t>;

// The bytes [begin, end) of a file or buffer; begin <= end.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] std::uint64_t size() const noexcept { return end - begin; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// A container's identity: XXH3-128 of its canonical index (format/SPEC.md), most significant byte
// first, as it is printed.
struct Uuid {
  std::uint8_t bytes[16] = {};
  friend bool operator==(const Uuid&, const Uuid&) = default;
};

// Element types. The numbers are stored in containers, pinned, and never reused; the names and
// their meaning are in format/REGISTRY.md. Values outside this list may come out of a container
// written by a newer wpack.
enum class DType : std::uint16_t {
  kBool = 1,
  kU8 = 2,
  kI8 = 3,
  kU16 = 4,
  kI16 = 5,
  kU32 = 6,
  kI32 = 7,
  kU64 = 8,
  kI64 = 9,
  kF16 = 10,
  kBF16 = 11,
  kF32 = 12,
  kF64 = 13,
  kC32 = 14,  // two F16: real, imaginary
  kC64 = 15,
  kC128 = 16,
  kBC32 = 17,  // two BF16: real, imaginary
  kF8E4M3 = 20,
  kF8E5M2 = 21,
  kF8E4M3FNUZ = 22,
  kF8E5M2FNUZ = 23,
  kF8E8M0 = 24,
  kF4 = 25,      // one element is four bits, low bits first
  kF6E2M3 = 26,  // one element is six bits, low bits first
  kF6E3M2 = 27,
  kF4X2 = 28,  // torch's float4_e2m1fn_x2: one element is a byte holding two values
  kU4 = 30,
  kI4 = 31,
  kU2 = 32,
  kI2 = 33,
  kQI8 = 40,
  kQU8 = 41,
  kQI32 = 42,
  kQU4X2 = 43,
  kQU2X4 = 44,
  kBits8 = 50,
  kBits16 = 51,
  kBits1X8 = 52,
  kBits2X4 = 53,
  kBits4X2 = 54,
  kU1In8 = 60,  // torch's uint1 ... int7: one value in one byte
  kU2In8 = 61,
  kU3In8 = 62,
  kU4In8 = 63,
  kU5In8 = 64,
  kU6In8 = 65,
  kU7In8 = 66,
  kI1In8 = 70,
  kI2In8 = 71,
  kI3In8 = 72,
  kI4In8 = 73,
  kI5In8 = 74,
  kI6In8 = 75,
  kI7In8 = 76,
};

// What is known of one element type. Static storage: valid for ever.
struct DTypeInfo {
  DType dtype;
  std::string_view name;        // the spelling of listings: safetensors' where it has one
  std::string_view torch_name;  // "float32" for torch.float32; empty where torch has none
  bool safetensors;             // safetensors has this type, under `name`
  std::uint8_t bits;            // bits of one element; 4, 6 or a multiple of 8 ... 128
  std::uint8_t swap_unit;       // bytes that a big-endian file stores reversed: 1, 2, 4 or 8
};

// Returns the row of `dtype`, or nullptr if this version does not know it. Thread-safe.
[[nodiscard]] WPACK_EXPORT const DTypeInfo* find_dtype(DType dtype) noexcept;
// Returns the row whose `name` is exactly `name`, or nullptr. Thread-safe.
[[nodiscard]] WPACK_EXPORT const DTypeInfo* find_dtype_by_name(std::string_view name) noexcept;
// Returns the row whose `torch_name` is exactly `name` ("float32"), or nullptr. Thread-safe.
[[nodiscard]] WPACK_EXPORT const DTypeInfo* find_dtype_by_torch_name(
    std::string_view name) noexcept;
// Returns every known row, ascending by number. Thread-safe.
[[nodiscard]] WPACK_EXPORT std::span<const DTypeInfo> all_dtypes() noexcept;
// Returns the name of `dtype`, or "unknown" if this version does not know it. Thread-safe.
[[nodiscard]] WPACK_EXPORT std::string_view dtype_name(DType dtype) noexcept;

// Returns the number of elements of `shape` (1 for a 0-d tensor), or nullopt if it does not fit
// into 64 bits. A dimension of 0 makes it 0 whatever the others are.
[[nodiscard]] WPACK_EXPORT std::optional<std::uint64_t> element_count(Shape shape) noexcept;
// Returns the bytes that a tensor of `dtype` and `shape` takes, the last byte of a sub-byte type
// rounded up; nullopt if `dtype` is unknown or the product does not fit into 64 bits.
[[nodiscard]] WPACK_EXPORT std::optional<std::uint64_t> tensor_nbytes(DType dtype,
                                                                      Shape shape) noexcept;

}  // namespace wpack
