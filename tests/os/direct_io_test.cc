#include "os/direct_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "base/align.h"
#include "os/file.h"
#include "support/memory_file.h"
#include "support/open_file_limit.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::IsOk;

#define SKIP_WHERE_REFUSED(result)                                         \
  if (!(result) && (result).error().code() == ErrorCode::kUnsupportedHost) \
  GTEST_SKIP() << (result).error().message()

class DirectIoTest : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kSize = 1 << 20;

  // Reads all of it as its alignment wants, and compares.
  void expect_contents(const DirectFile& direct, const std::string& contents) const {
    const std::uint64_t alignment = std::max(direct.alignment.offset, direct.alignment.memory);
    std::vector<std::byte> memory(contents.size() + alignment);
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    std::byte* const begin = memory.data() + (base::align_up(address, alignment) - address);
    ASSERT_THAT(read_exact(direct.fd.get(), 0, {begin, contents.size()}), IsOk());
    EXPECT_EQ(std::memcmp(begin, contents.data(), contents.size()), 0);
  }

  testing::TempDir directory_;
  std::string contents_ = std::string(kSize / 2, 'a') + std::string(kSize / 2, 'b');
  std::string path_ = directory_.write("file", contents_);
};

TEST_F(DirectIoTest, OpensTheSameFileWithAnAlignmentThatWorks) {
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(path_));
  const auto direct = open_direct(file.fd(), file.label());
  SKIP_WHERE_REFUSED(direct);
  ASSERT_THAT(direct, IsOk());
  EXPECT_TRUE(base::is_power_of_two(direct->alignment.offset));
  EXPECT_TRUE(base::is_power_of_two(direct->alignment.memory));
  EXPECT_NE(::fcntl(direct->fd.get(), F_GETFL) & O_DIRECT, 0);
  EXPECT_NE(::fcntl(direct->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(::fcntl(file.fd(), F_GETFL) & O_DIRECT, 0) << "the first descriptor stays as it was";
  expect_contents(*direct, contents_);
}

TEST_F(DirectIoTest, OpensTheFileThatIsOpenAndNotWhatItsNameLeadsToNow) {
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(path_));
  std::filesystem::remove(path_);
  (void)directory_.write("file", std::string(kSize, 'x'));
  const auto direct = open_direct(file.fd(), file.label());
  SKIP_WHERE_REFUSED(direct);
  ASSERT_THAT(direct, IsOk());
  expect_contents(*direct, contents_);
}

TEST_F(DirectIoTest, ReadsAFileInMemoryOrSaysThatItCannot) {
  const testing::MemoryFile memory(contents_);
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(memory.path()));
  const auto direct = open_direct(file.fd(), file.label());
  if (!direct) {
    EXPECT_THAT(direct, Fails(ErrorCode::kUnsupportedHost, "direct reads are not possible"));
    return;
  }
  expect_contents(*direct, contents_);
}

TEST_F(DirectIoTest, RefusesAFileSystemWithoutDirectReads) {
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read("/proc/self/status"));
  EXPECT_THAT(open_direct(file.fd(), file.label()),
              Fails(ErrorCode::kUnsupportedHost,
                    "/proc/self/status: direct reads are not possible: the file system refuses "
                    "O_DIRECT"));
}

TEST_F(DirectIoTest, SaysThatNoDescriptorIsLeft) {
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(path_));
  const testing::OpenFileLimit limit(static_cast<rlim_t>(file.fd()));
  EXPECT_THAT(open_direct(file.fd(), file.label()),
              Fails(ErrorCode::kLimit, "open for direct reads"));
}

}  // namespace
}  // namespace wpack::os
