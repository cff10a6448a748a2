#include "format/checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace wpack::format {
namespace {

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Values of the reference implementation (xxhsum -H3, xxhsum -H2).
TEST(ChecksumTest, MatchesPublishedValuesOfXxh3) {
  EXPECT_EQ(hash64({}), 0x2D06800538D394C2U);
  EXPECT_EQ(hash128({}), (Hash128{0x99AA06D3014798D8U, 0x6001C324468D497FU}));
}

TEST(StreamHashTest, AgreesWithTheOneShotFormsHoweverTheBytesAreCut) {
  const std::string text(1'000'003, 'w');
  StreamHash narrow(StreamHash::Width::k64);
  StreamHash wide(StreamHash::Width::k128);
  for (std::size_t at = 0; at < text.size(); at += 4099) {
    narrow.update(bytes_of(std::string_view(text).substr(at, 4099)));
    wide.update(bytes_of(std::string_view(text).substr(at, 4099)));
  }
  EXPECT_EQ(narrow.digest64(), hash64(bytes_of(text)));
  EXPECT_EQ(wide.digest128(), hash128(bytes_of(text)));
}

TEST(StreamHashTest, StartsAnewAfterReset) {
  StreamHash hash(StreamHash::Width::k64);
  hash.update(bytes_of("something else"));
  hash.reset();
  hash.update(bytes_of("abc"));
  EXPECT_EQ(hash.digest64(), hash64(bytes_of("abc")));
}

}  // namespace
}  // namespace wpack::format
