// A container with everything that a reader meets, and how the tests of loading open it.
#pragma once

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "load/open_container.h"
#include "support/container_builder.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::testing {

inline load::Engines test_engines(
    std::uint64_t budget = std::numeric_limits<std::uint64_t>::max()) {
  return {
      .make_reader = [](const ReadChoice& choice) { return make_pread_reader(2, choice.direct); },
      .memory = std::make_shared<load::MemoryBudget>(make_host_pool(budget), budget)};
}

inline Result<Container> open_with(const std::string& path, const OpenOptions& options) {
  return load::open_container(path, options, test_engines());
}

// For INSTANTIATE_TEST_SUITE_P of a suite that runs in every access mode.
inline const auto kAccessModes =
    ::testing::Values(AccessMode::kAuto, AccessMode::kMap, AccessMode::kRead);
inline std::string access_name(const ::testing::TestParamInfo<AccessMode>& info) {
  constexpr const char* kNames[] = {"Auto", "Map", "Read"};
  return kNames[static_cast<int>(info.param)];
}

// Three layers in two shards: tensors of many sizes, one of several chunks, tied and empty ones.
inline ContainerBuilder sample_builder() {
  ContainerBuilder builder;
  builder.layer("embed").tensor("embed.weight", pattern_bytes(300'000, 1));
  builder.layer("layers.0");
  builder.tensor("layers.0.norm", pattern_bytes(768, 2))
      .tensor("layers.0.up", pattern_bytes(200'001, 3));
  builder.tensor("layers.0.empty", {}).tensor("layers.0.bias", pattern_bytes(1, 4));
  builder.new_shard().layer("layers.1");
  builder.tensor("layers.1.norm", pattern_bytes(768, 5))
      .tensor("layers.1.up", pattern_bytes(65'536, 6));
  builder.view("layers.1.part", "layers.1.up", 512, 1024);
  builder.layer("head").view("head.weight", "embed.weight", 0, 300'000);
  builder.attachment("config.json", pattern_bytes(70'000, 7)).attachment("empty.txt", {});
  return builder;
}

inline ::testing::AssertionResult holds(const Tensor& tensor,
                                        const std::vector<std::byte>& expected) {
  const Bytes bytes = tensor.bytes();
  if (bytes.size() == expected.size() &&
      (bytes.empty() || std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "other bytes in " << tensor.name();
}

// Expects every tensor of the container to be what was put in.
inline void expect_oracle(const Container& container, const ContainerBuilder& builder) {
  for (const auto& [name, bytes] : builder.oracle()) {
    ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor(name));
    EXPECT_TRUE(holds(tensor, bytes));
  }
  for (const Layer& layer : container.layers()) {
    ASSERT_OK_AND_ASSIGN(const LayerView view, layer.acquire());
    EXPECT_EQ(view.tensors().size(), layer.info().tensor_end - layer.info().tensor_begin);
    for (const Tensor& tensor : view.tensors())
      EXPECT_TRUE(holds(tensor, builder.oracle().at(std::string(tensor.name()))));
  }
}

}  // namespace wpack::testing
