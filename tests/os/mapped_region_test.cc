#include "os/mapped_region.h"

#include <gtest/gtest.h>

#include "os/file.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::os {
namespace {

using testing::Fails;
using testing::IsOk;
using testing::TempDir;

TEST(MappedRegionTest, ShowsTheFileAndOutlivesItsDescriptor) {
  const TempDir directory;
  const std::string path = directory.write("data", std::string(10000, 'x'));
  MappedRegion region;
  {
    ASSERT_OK_AND_ASSIGN(const File file, File::open_read(path));
    ASSERT_OK_AND_ASSIGN(region, MappedRegion::map(file.fd(), 10000));
  }
  ASSERT_EQ(region.bytes().size(), 10000U);
  EXPECT_EQ(region.bytes()[9999], std::byte{'x'});
}

TEST(MappedRegionTest, PopulatesAndReleasesRangesThatReachPastTheEnd) {
  const TempDir directory;
  ASSERT_OK_AND_ASSIGN(const File file,
                       File::open_read(directory.write("data", std::string(10000, 'x'))));
  ASSERT_OK_AND_ASSIGN(const MappedRegion region, MappedRegion::map(file.fd(), 10000));
  EXPECT_THAT(region.populate({100, 20000}), IsOk());
  region.dont_need({0, 20000});
  EXPECT_EQ(region.bytes()[5000], std::byte{'x'});
}

TEST(MappedRegionTest, ReportsPagesBehindTheEndOfAShrunkenFileAsAnError) {
  const TempDir directory;
  const std::string path = directory.write("data", std::string(16384, 'x'));
  ASSERT_OK_AND_ASSIGN(const File file, File::open_read(path));
  ASSERT_OK_AND_ASSIGN(const MappedRegion region, MappedRegion::map(file.fd(), 16384));
  std::filesystem::resize_file(path, 4096);
  const Status status = region.populate({0, 16384});
  if (status) GTEST_SKIP() << "this kernel has no MADV_POPULATE_READ";
  EXPECT_THAT(status, Fails(ErrorCode::kIo, "read-in of 16384 bytes at offset 0"));
}

TEST(MappedRegionTest, RefusesAnEmptyMapping) {
  EXPECT_THAT(MappedRegion::map(0, 0), Fails(ErrorCode::kInvalidArgument, "0 bytes"));
}

}  // namespace
}  // namespace wpack::os
