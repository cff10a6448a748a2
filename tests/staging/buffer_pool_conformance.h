// What every BufferPool promises (wpack/buffer_pool.h). A test of a pool says
//   INSTANTIATE_TEST_SUITE_P(Host, BufferPoolConformanceTest, Values(BufferPoolCase{...}));
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "wpack/buffer_pool.h"

namespace wpack::testing {

struct BufferPoolCase {
  std::string name;
  std::function<std::shared_ptr<BufferPool>(std::uint64_t budget)> make;
  friend std::ostream& operator<<(std::ostream& out, const BufferPoolCase& pool) {
    return out << pool.name;
  }
};

class BufferPoolConformanceTest : public ::testing::TestWithParam<BufferPoolCase> {
 protected:
  static constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  static std::shared_ptr<BufferPool> make(std::uint64_t budget) { return GetParam().make(budget); }
};

}  // namespace wpack::testing
