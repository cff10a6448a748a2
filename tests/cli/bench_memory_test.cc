// Memory that is held while a contestant runs.
#include "bench_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <utility>

namespace wpack::cli {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{80} << 20;

bool has_child() { return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD; }

TEST(MemoryHolderTest, HoldsMemoryInAProcessOfItsOwnAndSaysWhatItCost) {
  {
    const auto holder = MemoryHolder::start(kSize);
    ASSERT_TRUE(holder) << holder.error().message();
    EXPECT_GT(holder->first_touch().value_or(0), 0.0);
    EXPECT_TRUE(has_child());
  }
  EXPECT_FALSE(has_child()) << "it is still there";
  rusage usage{};
  ASSERT_EQ(::getrusage(RUSAGE_CHILDREN, &usage), 0);
  EXPECT_GE(static_cast<std::uint64_t>(usage.ru_maxrss) * 1024, kSize) << "it held too little";
}

TEST(MemoryHolderTest, EndsWithTheHandleThatItWasMovedInto) {
  auto holder = MemoryHolder::start(4096);
  ASSERT_TRUE(holder);
  {
    const MemoryHolder other = std::move(*holder);
    EXPECT_TRUE(has_child());
    EXPECT_TRUE(other.first_touch());
  }
  EXPECT_FALSE(has_child());
}

TEST(MemoryHolderTest, HoldsNothingWhereNothingIsAskedFor) {
  const auto holder = MemoryHolder::start(0);
  ASSERT_TRUE(holder);
  EXPECT_FALSE(holder->first_touch());
  EXPECT_FALSE(has_child());
}

TEST(MemoryHolderTest, RefusesMemoryThatThereIsNot) {
  const auto holder = MemoryHolder::start(std::uint64_t{1} << 60);
  ASSERT_FALSE(holder);
  EXPECT_EQ(holder.error().message(),
            "1152921504606846976 bytes of memory: take failed: Cannot allocate memory");
  EXPECT_FALSE(has_child());
}

}  // namespace
}  // namespace wpack::cli
