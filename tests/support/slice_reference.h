// Slices in the obvious way, row by row of a tensor in memory, to compare with; and random ones.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "wpack/tensor_slice.h"
#include "wpack/types.h"

namespace wpack::testing {

// The bytes of `part` of a tensor whose elements have whole bytes.
inline std::vector<std::byte> reference_slice(Bytes tensor, DType dtype,
                                              const std::vector<std::uint64_t>& shape,
                                              const TensorPart& part) {
  if (part.whole()) return {tensor.begin(), tensor.end()};
  std::uint64_t inner = find_dtype(dtype)->bits / 8;
  std::uint64_t outer = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) (i < part.dim ? outer : inner) *= shape[i];
  inner /= std::max<std::uint64_t>(shape[part.dim], 1);
  std::vector<std::byte> result;
  for (std::uint64_t row = 0; row < outer; ++row) {
    for (const ElementRange& range : part.ranges) {
      const std::uint64_t begin = (row * shape[part.dim] + range.begin) * inner;
      const Bytes bytes = tensor.subspan(begin, range.size() * inner);
      result.insert(result.end(), bytes.begin(), bytes.end());
    }
  }
  return result;
}

// One to three ranges of dimension `dim`.
inline TensorPart random_part(std::mt19937& random, const std::vector<std::uint64_t>& shape,
                              std::uint32_t dim) {
  TensorPart part{.dim = dim};
  std::vector<std::uint64_t> ends((1 + random() % 3) * 2);
  for (std::uint64_t& end : ends) end = random() % (shape[dim] + 1);
  std::ranges::sort(ends);
  for (std::size_t i = 0; i < ends.size(); i += 2) part.ranges.push_back({ends[i], ends[i + 1]});
  return part;
}

}  // namespace wpack::testing
