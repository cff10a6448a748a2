// Containers that go while reads are in flight.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iterator>
#include <string>

#include "load/engine_cases.h"
#include "load/test_container.h"

namespace wpack::testing {
namespace {

std::ptrdiff_t open_descriptors() {
  const std::filesystem::directory_iterator begin("/proc/self/fd");
  return std::distance(begin, std::filesystem::directory_iterator());
}

class CloseTest : public ::testing::TestWithParam<EngineCase> {
 protected:
  CloseTest() {
    for (const char* name : {"a", "b", "c"})
      builder_.layer(name).tensor(name, pattern_bytes(16 << 20, static_cast<unsigned char>(*name)));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  // Closes the container while it reads ahead; returns how many reads were in flight.
  void close_in_flight(std::optional<Container>& container, std::uint64_t& in_flight) const {
    for (const Layer& layer : container->layers()) ASSERT_THAT(layer.prefetch(), IsOk());
    AccessStats stats;
    do stats = container->stats();
    while (stats.reads_in_flight == 0 && stats.prefetched_bytes == 0);
    in_flight += stats.reads_in_flight;
    const auto begin = std::chrono::steady_clock::now();
    container.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

INSTANTIATE_TEST_SUITE_P(Engines, CloseTest, ::testing::ValuesIn(kEngineCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(CloseTest, EndsSoonAndLeavesNothingBehind) {
  const std::ptrdiff_t before = open_descriptors();
  std::uint64_t in_flight = 0;
  for (int round = 0; round < 6; ++round) {
    prepare(path_, GetParam());
    const load::Engines engines = engines_of(GetParam());
    const OpenOptions options{.access = AccessMode::kRead, .readahead_layers = 0};
    std::optional<Container> container;
    ASSERT_OK_AND_ASSIGN(container, load::open_container(path_, options, engines));
    if (const std::string reason = obstacle(*container, GetParam()); !reason.empty())
      GTEST_SKIP() << reason;
    close_in_flight(container, in_flight);
    if (HasFailure()) return;
    EXPECT_EQ(engines.memory->use().pool.in_use, 0U);
    EXPECT_EQ(open_descriptors(), before);
  }
  EXPECT_GT(in_flight, 0U) << "nothing was in flight when it went";
}

}  // namespace
}  // namespace wpack::testing
