#include "format/envelope.h"

#include <gtest/gtest.h>

#include "base/little_endian.h"
#include "format/checksum.h"
#include "support/result_matchers.h"
#include "wpack/version.h"

namespace wpack::format {
namespace {

using testing::Fails;

constexpr std::uint64_t kFileSize = 12'288;

Envelope shard_envelope() {
  Envelope envelope;
  envelope.format_major = kFormatMajor;
  envelope.format_minor = kFormatMinor;
  envelope.kind = FileKind::kShard;
  envelope.uuid.bytes[3] = 7;
  envelope.shard_number = 1;
  envelope.shard_count = 3;
  envelope.file_size = kFileSize;
  envelope.data = {4096, 9000};
  return envelope;
}

// Breaks a page and makes its checksum right again, as a hostile writer would.
template <typename T>
Result<Envelope> decode_with(std::size_t offset, T value) {
  EnvelopeBytes page = encode_envelope(shard_envelope());
  base::store_le(&page[offset], value);
  base::store_le(&page[4088], hash64(Bytes(page).first(4088)));
  return decode_envelope(page, kFileSize);
}

TEST(EnvelopeTest, ReadsBackEveryFieldThatItWrites) {
  const Envelope written = shard_envelope();
  ASSERT_OK_AND_ASSIGN(const Envelope read, decode_envelope(encode_envelope(written), kFileSize));
  EXPECT_EQ(read.kind, FileKind::kShard);
  EXPECT_EQ(read.uuid, written.uuid);
  EXPECT_EQ(read.shard_number, 1U);
  EXPECT_EQ(read.shard_count, 3U);
  EXPECT_EQ(read.file_size, kFileSize);
  EXPECT_EQ(read.data, written.data);
}

TEST(EnvelopeTest, RejectsEverySingleBitThatFlips) {
  const EnvelopeBytes good = encode_envelope(shard_envelope());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    EnvelopeBytes page = good;
    page[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(decode_envelope(page, kFileSize)) << bit;
  }
}

TEST(EnvelopeTest, RejectsForeignAndShortFiles) {
  EnvelopeBytes page{};
  EXPECT_THAT(decode_envelope(page, kFileSize), Fails(ErrorCode::kBadInput, "not a file of wpack"));
  EXPECT_THAT(decode_envelope({}, 0), Fails(ErrorCode::kBadInput, "not a file of wpack"));
  page = encode_envelope(shard_envelope());
  EXPECT_THAT(decode_envelope(Bytes(page).first(100), 100),
              Fails(ErrorCode::kIntegrity, "shorter than an envelope"));
}

TEST(EnvelopeTest, RejectsTextModeDamage) {
  EnvelopeBytes page = encode_envelope(shard_envelope());
  page[4] = std::byte{'\n'};
  EXPECT_THAT(decode_envelope(page, kFileSize), Fails(ErrorCode::kBadInput, "magic"));
}

TEST(EnvelopeTest, RejectsAFileOfAnotherSize) {
  EXPECT_THAT(decode_envelope(encode_envelope(shard_envelope()), kFileSize + 4096),
              Fails(ErrorCode::kIntegrity, "is 16384 bytes long, its envelope says 12288"));
}

TEST(EnvelopeTest, RejectsNewerVersionsAndUnknownIncompatibleFlags) {
  EXPECT_THAT(decode_with(8, std::uint16_t{1}), Fails(ErrorCode::kBadInput, "format version 1."));
  EXPECT_THAT(decode_with(10, std::uint16_t{99}), Fails(ErrorCode::kBadInput, "version 0.99"));
  EXPECT_THAT(decode_with(24, std::uint64_t{4}),
              Fails(ErrorCode::kBadInput, "incompatible flags 0x4"));
}

TEST(EnvelopeTest, IgnoresUnknownCompatibleFlags) {
  EXPECT_THAT(decode_with(32, ~std::uint64_t{0}), testing::IsOk());
}

TEST(EnvelopeTest, RejectsImpossibleNumbers) {
  EXPECT_THAT(decode_with(12, std::uint32_t{8192}), Fails(ErrorCode::kBadInput, "size 8192"));
  EXPECT_THAT(decode_with(16, std::uint8_t{3}), Fails(ErrorCode::kBadInput, "file kind 3"));
  EXPECT_THAT(decode_with(17, std::uint8_t{1}), Fails(ErrorCode::kBadInput, "reserved"));
  EXPECT_THAT(decode_with(56, std::uint32_t{3}), Fails(ErrorCode::kBadInput, "shard number 3"));
  EXPECT_THAT(decode_with(60, std::uint32_t{65'536}), Fails(ErrorCode::kBadInput, "65536 shards"));
  EXPECT_THAT(decode_with(72, std::uint64_t{0}), Fails(ErrorCode::kBadInput, "data range"));
  EXPECT_THAT(decode_with(80, std::uint64_t{4096}), Fails(ErrorCode::kBadInput, "data range"));
  EXPECT_THAT(decode_with(80, ~std::uint64_t{0}), Fails(ErrorCode::kBadInput, "data range"));
  EXPECT_THAT(decode_with(80, std::uint64_t{8192}), Fails(ErrorCode::kBadInput, "data range"));
  EXPECT_THAT(decode_with(88, std::uint64_t{1}), Fails(ErrorCode::kBadInput, "reserved"));
  EXPECT_THAT(decode_with(2000, std::uint8_t{1}), Fails(ErrorCode::kBadInput, "reserved"));
}

TEST(ShardFileNameTest, HasFiveDigits) {
  EXPECT_EQ(shard_file_name(0), "00000.wps");
  EXPECT_EQ(shard_file_name(65'534), "65534.wps");
}

}  // namespace
}  // namespace wpack::format
