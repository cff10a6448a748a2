// What every codec promises; a new codec adds its number to the list at the end.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "codec/codec.h"
#include "support/result_matchers.h"

namespace wpack::codec {
namespace {

using testing::Fails;
using testing::IsOk;

class CodecConformanceTest : public ::testing::TestWithParam<std::uint8_t> {
 protected:
  const Codec& codec() const { return *find_codec(GetParam()); }
};

TEST_P(CodecConformanceTest, IsFoundUnderItsNumberAndNamed) {
  ASSERT_NE(find_codec(GetParam()), nullptr);
  EXPECT_EQ(codec().id(), GetParam());
  EXPECT_EQ(codec_name(GetParam()), codec().name());
}

TEST_P(CodecConformanceTest, ReturnsTheStoredBytesThemselvesIfItSaysSo) {
  if (!codec().is_identity()) GTEST_SKIP() << codec().name() << " changes its bytes";
  std::vector<std::byte> stored(1000);
  for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = static_cast<std::byte>(i * 7);
  std::vector<std::byte> raw(stored.size());
  ASSERT_THAT(codec().decode(stored, raw), IsOk());
  EXPECT_EQ(raw, stored);
}

TEST_P(CodecConformanceTest, RejectsStoredBytesThatCannotFillTheChunk) {
  const std::vector<std::byte> stored(1);
  std::vector<std::byte> raw(1000);
  EXPECT_THAT(codec().decode(stored, raw), Fails(ErrorCode::kBadInput, "1000"));
}

INSTANTIATE_TEST_SUITE_P(AllCodecs, CodecConformanceTest, ::testing::Values(std::uint8_t{0}));

TEST(CodecRegistryTest, ReturnsNothingForUnknownNumbers) {
  EXPECT_EQ(find_codec(255), nullptr);
  EXPECT_EQ(codec_name(255), "unknown");
}

}  // namespace
}  // namespace wpack::codec
