// Facts of hosts that are made of files, and of the host that runs the test.
#include "os/host_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "os/mapped_region.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::TempDir;

constexpr std::string_view kMeminfo =
    "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\nHugePages_Free:        7\n"
    "Hugepagesize:       2048 kB\n";
constexpr std::string_view kUnified =
    "35 24 0:30 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
constexpr std::string_view kFirstVersion =
    "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

class HostFactsTest : public ::testing::Test {
 protected:
  void put(const std::string& path, std::string_view text) {
    std::filesystem::create_directories(directory_.path() / path.substr(1, path.rfind('/') - 1));
    (void)directory_.write(path.substr(1), text);
  }
  [[nodiscard]] HostFacts look() const { return host_facts(SystemFiles(directory_.path())); }

  TempDir directory_;
};

TEST_F(HostFactsTest, SaysWhyNothingOfAnEmptySystemIsKnown) {
  const HostFacts facts = look();
  EXPECT_THAT(facts.available_memory, Fails(ErrorCode::kIo, "meminfo: open failed: No such file"));
  EXPECT_THAT(facts.cgroup_memory, Fails(ErrorCode::kIo, "/proc/self/cgroup"));
  EXPECT_THAT(facts.cpu_quota, Fails(ErrorCode::kIo, "/proc/self/cgroup"));
  EXPECT_THAT(facts.transparent_huge_pages, Fails(ErrorCode::kIo, "transparent_hugepage"));
  EXPECT_THAT(facts.huge_page_pool, Fails(ErrorCode::kIo, "meminfo: open failed: No such file"));
  EXPECT_THAT(facts.aio_requests, Fails(ErrorCode::kIo, "aio-nr"));
  // These come from system calls.
  EXPECT_TRUE(facts.kernel && facts.usable_cpus && facts.locked_memory_limit);
  EXPECT_EQ(facts.reads_mappings_in.value(), MappedRegion::can_populate());
}

TEST_F(HostFactsTest, SaysWhatItDoesNotUnderstand) {
  put("/proc/meminfo", "MemAvailable: lots kB\n");
  put("/proc/sys/fs/aio-nr", "a\x1b[2Jfew\n");
  put("/sys/kernel/mm/transparent_hugepage/enabled", "sometimes\n");
  const HostFacts facts = look();
  EXPECT_THAT(facts.available_memory, Fails(ErrorCode::kUnsupportedHost, "no MemAvailable"));
  EXPECT_THAT(facts.aio_requests,
              Fails(ErrorCode::kUnsupportedHost, "aio-nr: 'a\\x1b[2Jfew' is not understood"));
  EXPECT_THAT(facts.transparent_huge_pages,
              Fails(ErrorCode::kUnsupportedHost, "'sometimes' is not understood"));
}

TEST_F(HostFactsTest, ReadsMemoryHugePagesAndAsynchronousRequests) {
  put("/proc/meminfo", kMeminfo);
  put("/proc/sys/fs/aio-nr", "128\n");
  put("/proc/sys/fs/aio-max-nr", "65536\n");
  put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  const HostFacts facts = look();
  EXPECT_EQ(facts.available_memory.value_or(0U), std::uint64_t{8000000} * 1024);
  ASSERT_TRUE(facts.huge_page_pool && facts.aio_requests);
  EXPECT_EQ(facts.huge_page_pool->free_count, 7U);
  EXPECT_EQ(facts.huge_page_pool->page_size, std::uint64_t{2} << 20);
  EXPECT_EQ(facts.aio_requests->reserved, 128U);
  EXPECT_EQ(facts.aio_requests->limit, 65536U);
  EXPECT_EQ(facts.transparent_huge_pages.value_or(""), "madvise");
}

TEST_F(HostFactsTest, TakesTheAncestorThatLeavesLeastInVersion2) {
  put("/proc/self/cgroup", "0::/pod/app\n");
  put("/proc/self/mountinfo", kUnified);
  put("/sys/fs/cgroup/pod/app/memory.max", "1000000\n");
  put("/sys/fs/cgroup/pod/app/memory.current", "100000\n");
  put("/sys/fs/cgroup/pod/memory.max", "2000000\n");
  put("/sys/fs/cgroup/pod/memory.current", "1900000\n");
  put("/sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 300000\n");
  put("/sys/fs/cgroup/pod/app/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  const HostFacts facts = look();
  ASSERT_TRUE(facts.cgroup_memory);
  ASSERT_TRUE(facts.cgroup_memory->has_value());
  const CgroupMemory& memory = **facts.cgroup_memory;
  EXPECT_TRUE(memory.directory.ends_with("/sys/fs/cgroup/pod")) << memory.directory;
  EXPECT_EQ(memory.limit, 2000000U);
  EXPECT_EQ(memory.usage, 1900000U);
  EXPECT_EQ(memory.available(), 400000U);
  EXPECT_EQ(facts.cpu_quota.value_or(std::nullopt), 1.5);
}

TEST_F(HostFactsTest, ReadsTheFilesOfVersion1) {
  put("/proc/self/cgroup", "4:memory:/docker/a\n2:cpu,cpuacct:/docker/a\n");
  put("/proc/self/mountinfo", kFirstVersion);
  put("/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "268435456\n");
  put("/sys/fs/cgroup/memory/docker/a/memory.usage_in_bytes", "200000000\n");
  put("/sys/fs/cgroup/memory/docker/a/memory.stat",
      "inactive_file 1\ntotal_inactive_file 50000000\n");
  put("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/cpu/docker/a/cpu.cfs_quota_us", "50000\n");
  put("/sys/fs/cgroup/cpu/docker/a/cpu.cfs_period_us", "100000\n");
  const HostFacts facts = look();
  ASSERT_TRUE(facts.cgroup_memory && facts.cgroup_memory->has_value());
  EXPECT_EQ((*facts.cgroup_memory)->available(), 118435456U);
  EXPECT_EQ(facts.cpu_quota.value_or(std::nullopt), 0.5);
}

TEST_F(HostFactsTest, KnowsThatThereIsNoLimit) {
  put("/proc/self/cgroup", "0::/\n");
  put("/proc/self/mountinfo", kUnified);
  const HostFacts facts = look();
  ASSERT_TRUE(facts.cgroup_memory && facts.cpu_quota);
  EXPECT_FALSE(facts.cgroup_memory->has_value());
  EXPECT_FALSE(facts.cpu_quota->has_value());
}

TEST_F(HostFactsTest, DoesNotGuessALimitThatItCannotRead) {
  put("/proc/self/cgroup", "0::/a\n");
  put("/proc/self/mountinfo", kUnified);
  put("/sys/fs/cgroup/a/memory.max", "plenty\n");
  put("/sys/fs/cgroup/a/cpu.max", "1\n");
  HostFacts facts = look();
  EXPECT_THAT(facts.cgroup_memory, Fails(ErrorCode::kUnsupportedHost, "memory.max: 'plenty'"));
  EXPECT_THAT(facts.cpu_quota, Fails(ErrorCode::kUnsupportedHost, "cpu.max: '1'"));
  put("/sys/fs/cgroup/a/memory.max", "5\n");
  facts = look();
  EXPECT_THAT(facts.cgroup_memory, Fails(ErrorCode::kIo, "memory.current"));
}

TEST_F(HostFactsTest, CountsNoLessThanNothingAsAvailable) {
  EXPECT_EQ((CgroupMemory{.directory = "", .limit = 5, .usage = 9}.available()), 0U);
  EXPECT_EQ((CgroupMemory{.directory = "", .limit = 5, .usage = 4, .reclaimable = 6}.available()),
            5U);
}

TEST(RealHostTest, IsKnownWhereverProcIsMounted) {
  const HostFacts facts = host_facts(SystemFiles());
  EXPECT_GE(facts.usable_cpus.value_or(0U), 1U);
  EXPECT_FALSE(facts.kernel.value_or("").empty());
  EXPECT_GT(facts.available_memory.value_or(0U), 0U);
}

TEST(SystemFilesTest, RefusesAFileThatNeverEnds) {
  EXPECT_THAT(SystemFiles().read("/dev/zero"), Fails(ErrorCode::kLimit, "/dev/zero: is larger"));
  EXPECT_THAT(SystemFiles().read("/proc"),
              Fails(ErrorCode::kIo, "/proc: read failed: Is a directory"));
}

}  // namespace
}  // namespace wpack::os
