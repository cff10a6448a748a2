// Slices from several threads at once, beside whole tensors and layers.
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "load/test_container.h"
#include "support/slice_reference.h"

namespace wpack::testing {
namespace {

constexpr std::size_t kThreads = 4;

class SliceRaceTest : public ::testing::TestWithParam<AccessMode> {};
INSTANTIATE_TEST_SUITE_P(Access, SliceRaceTest, kAccessModes, access_name);

TEST_P(SliceRaceTest, ReturnsTheRightBytesWhateverSeveralThreadsDo) {
  const TempDir directory;
  const std::vector<std::uint64_t> shape = {700, 300};
  ContainerBuilder builder;
  for (const char* name : {"a", "b", "c"}) {
    const auto bytes = pattern_bytes(700 * 300 * 2, static_cast<std::uint64_t>(name[0]));
    builder.layer(name).tensor(name, bytes).shaped(DType::kBF16, shape);
  }
  const std::string path = builder.build(directory.path() / "m.wpack");
  std::vector<std::string> wrong(kThreads);
  std::vector<std::thread> threads;
  {
    ASSERT_OK_AND_ASSIGN(const Container container,
                         open_with(path, {.verify = VerifyPolicy::kTouch, .access = GetParam()}));
    for (std::uint32_t id = 0; id < kThreads; ++id) {
      threads.emplace_back([&builder, &shape, &wrong, id, copy = container] {
        std::mt19937 random(id);
        std::vector<TensorSlice> held;
        for (int round = 0; round < 40; ++round) {
          const std::string name(1, "abc"[random() % 3]);
          const SliceRequest request{
              .tensor = copy.find(name).value().id,
              .part = random_part(random, shape, static_cast<std::uint32_t>(random() % 2))};
          const auto slices = copy.slices({&request, 1});
          if (!slices) {
            wrong[id] = slices.error().message();
            return;
          }
          const auto expected =
              reference_slice(builder.oracle().at(name), DType::kBF16, shape, request.part);
          if (!std::ranges::equal(slices->front().bytes(), expected)) wrong[id] = "other bytes";
          held.push_back(slices->front());
          if (random() % 8 == 0) held.clear();
          const Layer layer = copy.layer(static_cast<std::uint32_t>(random() % 3));
          if (random() % 4 == 0 && !layer.acquire()) wrong[id] = "no layer";
          if (random() % 4 == 0) layer.release(ReleasePages::kPageCache);
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& message : wrong) EXPECT_EQ(message, "");
}

}  // namespace
}  // namespace wpack::testing
