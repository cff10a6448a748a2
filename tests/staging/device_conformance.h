// What every Device promises (wpack/device.h). A test of a device says
//   INSTANTIATE_TEST_SUITE_P(Host, DeviceConformanceTest, Values(DeviceCase{...}));
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "wpack/device.h"

namespace wpack::testing {

struct DeviceCase {
  std::string name;
  std::function<std::shared_ptr<Device>(std::uint64_t budget)> make;
  friend std::ostream& operator<<(std::ostream& out, const DeviceCase& device) {
    return out << device.name;
  }
};

class DeviceConformanceTest : public ::testing::TestWithParam<DeviceCase> {
 protected:
  static constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  static std::shared_ptr<Device> make(std::uint64_t budget = 64 * kMiB) {
    return GetParam().make(budget);
  }

  // The bytes that a device has at `range`.
  static std::vector<std::byte> contents(Device& device, DeviceRange range) {
    std::vector<std::byte> bytes(range.size);
    EXPECT_THAT(device.copy_back(range, bytes), IsOk());
    return bytes;
  }
};

}  // namespace wpack::testing
