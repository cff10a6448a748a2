#include "pack/shard_writer.h"

#include <gtest/gtest.h>

#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::packing {
namespace {

using testing::IsOk;
using testing::pattern_bytes;

constexpr std::uint8_t kChunkLog2 = 16;

class ShardWriterTest : public ::testing::Test {
 protected:
  // Writes 100 bytes of pattern `seed` and says that they have the key that all others have.
  Result<std::uint32_t> write(std::uint64_t seed) {
    const std::vector<std::byte> bytes = pattern_bytes(100, seed);
    WPACK_TRY(writer_.start_extent(bytes.size()));
    WPACK_TRY(writer_.append(bytes));
    ExtentHashes hashes;
    hashes.chunks.push_back(7);
    return writer_.finish_extent(hashes);
  }

  testing::TempDir directory_;
  os::UniqueFd fd_ = *os::open_directory(directory_.path());
  ShardWriter writer_{fd_, "target", kChunkLog2};
};

TEST_F(ShardWriterTest, ComparesContentWithTheFirstFourThatHaveItsKey) {
  ASSERT_THAT(writer_.start_layer(0, 0, 10'000), IsOk());
  for (std::uint32_t row = 0; row < 5; ++row) EXPECT_EQ(*write(row), row);
  EXPECT_EQ(*write(0), 0U);
  EXPECT_EQ(*write(3), 3U);
  EXPECT_EQ(*write(4), 5U);  // equal to the fifth, which is not looked at
  ASSERT_OK_AND_ASSIGN(const WrittenShards written, writer_.finish());
  EXPECT_EQ(written.extents.size(), 6U);
  EXPECT_EQ(written.shared_bytes, 200U);
}

}  // namespace
}  // namespace wpack::packing
