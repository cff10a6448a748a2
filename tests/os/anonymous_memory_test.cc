// Faulting memory in ahead of who fills it changes nothing but the time at which pages appear.
#include "os/anonymous_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "support/result_matchers.h"

namespace wpack::os {
namespace {

using testing::IsOk;

constexpr std::uint64_t kSize = std::uint64_t{8} << 20;

class FaultInTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(bytes_, map_small_pages(kSize));
    if (!fault_in(bytes_.first(1))) GTEST_SKIP() << "this kernel has no MADV_POPULATE_WRITE";
  }
  void TearDown() override {
    if (!bytes_.empty()) unmap_anonymous(bytes_);
  }
  MutableBytes bytes_;
};

TEST_F(FaultInTest, TellsMemoryThatWasWrittenToFromMemoryThatWasNot) {
  EXPECT_FALSE(ends_faulted_in(bytes_));
  EXPECT_TRUE(ends_faulted_in(bytes_.first(4096)));
  bytes_.back() = std::byte{1};
  EXPECT_TRUE(ends_faulted_in(bytes_));
  EXPECT_TRUE(ends_faulted_in({}));
}

TEST_F(FaultInTest, BringsEveryPageThere) {
  ASSERT_TRUE(fault_in(bytes_.subspan(5000)));
  for (std::uint64_t end = 8192; end <= kSize; end += 4096)
    ASSERT_TRUE(ends_faulted_in(bytes_.first(end))) << "the page before byte " << end;
}

TEST_F(FaultInTest, KeepsWhatTheMemoryHolds) {
  std::ranges::fill(bytes_.first(kSize / 2), std::byte{7});
  ASSERT_TRUE(fault_in(bytes_));
  EXPECT_EQ(std::ranges::count(bytes_, std::byte{7}), static_cast<std::ptrdiff_t>(kSize / 2));
  EXPECT_EQ(std::ranges::count(bytes_, std::byte{0}), static_cast<std::ptrdiff_t>(kSize / 2));
}

TEST_F(FaultInTest, KeepsWhatAnotherThreadWritesMeanwhile) {
  std::thread other([this] { EXPECT_TRUE(fault_in(bytes_)); });
  std::ranges::fill(bytes_, std::byte{9});
  other.join();
  EXPECT_EQ(std::ranges::count(bytes_, std::byte{9}), static_cast<std::ptrdiff_t>(kSize));
}

}  // namespace
}  // namespace wpack::os
