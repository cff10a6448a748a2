#include "format/index_file.h"

#include <gtest/gtest.h>

#include "format/index_builder.h"
#include "support/result_matchers.h"
#include "support/sample_index.h"

namespace wpack::format {
namespace {

using testing::Fails;
using testing::IsOk;

std::vector<std::byte> sample_file() {
  const auto index = *build_index(testing::sample_contents());
  return encode_index_file(index, uuid_of_index(index), 2);
}

TEST(IndexFileTest, ReadsBackWhatItWrites) {
  const auto file = sample_file();
  EXPECT_EQ(file.size() % 4096, 0U);
  ASSERT_OK_AND_ASSIGN(const IndexFile parsed, parse_index_file(file, nullptr));
  EXPECT_EQ(parsed.envelope.uuid, uuid_of_index(parsed.flatbuffer));
  EXPECT_EQ(parsed.index.tensors().size(), 6U);
}

TEST(IndexFileTest, RejectsEverySingleBitThatFlips) {
  const auto good = sample_file();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto file = good;
    file[bit / 8] ^= std::byte{1} << (bit % 8);
    ASSERT_FALSE(parse_index_file(file, nullptr)) << bit;
  }
}

TEST(IndexFileTest, RejectsEveryTruncation) {
  const auto good = sample_file();
  for (std::size_t size = 0; size < good.size(); ++size)
    ASSERT_FALSE(parse_index_file(Bytes(good).first(size), nullptr)) << size;
}

TEST(IndexFileTest, RejectsAShardInItsPlace) {
  auto file = sample_file();
  const EnvelopeBytes shard = encode_shard_envelope({}, 0, 1, file.size() - 1);
  std::ranges::copy(shard, file.begin());
  EXPECT_THAT(parse_index_file(file, nullptr), Fails(ErrorCode::kBadInput, "is a shard"));
}

TEST(IndexFileTest, RejectsACountOfShardsThatTheIndexDenies) {
  const auto index = *build_index(testing::sample_contents());
  EXPECT_THAT(parse_index_file(encode_index_file(index, {}, 3), nullptr),
              Fails(ErrorCode::kBadInput, "lists 2 shards, its envelope says 3"));
}

class ShardEnvelopeTest : public ::testing::Test {
 protected:
  static Envelope decoded(const Uuid& uuid, std::uint32_t number, std::uint32_t count,
                          std::uint64_t data_end) {
    return *decode_envelope(encode_shard_envelope(uuid, number, count, data_end),
                            base::align_up(data_end, 4096));
  }
  void SetUp() override {
    index_.uuid.bytes[0] = 1;
    index_.shard_count = 2;
    shard_ = decoded(index_.uuid, 1, 2, 5000);
    row_ = {shard_.file_size, 4096, 5000, shard_.envelope_hash};
  }
  Envelope index_;
  Envelope shard_;
  ShardRow row_;
};

TEST_F(ShardEnvelopeTest, AcceptsTheShardThatTheIndexNames) {
  EXPECT_THAT(check_shard_envelope(shard_, index_, 1, row_), IsOk());
}

TEST_F(ShardEnvelopeTest, TakesWhatHasNoMagicForADamagedShard) {
  EnvelopeBytes page = encode_shard_envelope(index_.uuid, 1, 2, 5000);
  EXPECT_THAT(decode_shard_envelope(page, row_.file_size, row_), IsOk());
  page[0] = std::byte{0};
  EXPECT_THAT(decode_shard_envelope(page, row_.file_size, row_),
              Fails(ErrorCode::kIntegrity, "envelope is damaged: its magic"));
  EXPECT_THAT(decode_shard_envelope(Bytes(page).first(5), 5, row_),
              Fails(ErrorCode::kIntegrity, "is 5 bytes long, the index says 8192"));
  EXPECT_THAT(decode_shard_envelope({}, 0, row_), Fails(ErrorCode::kIntegrity, "is 0 bytes long"));
}

TEST_F(ShardEnvelopeTest, RejectsShardsThatWereSwappedOrCameFromElsewhere) {
  EXPECT_THAT(check_shard_envelope(shard_, index_, 0, row_),
              Fails(ErrorCode::kIntegrity, "is shard 1 of 2, expected shard 0 of 2"));
  EXPECT_THAT(check_shard_envelope(decoded({}, 1, 2, 5000), index_, 1, row_),
              Fails(ErrorCode::kIntegrity, "belongs to container"));
  EXPECT_THAT(check_shard_envelope(decoded(index_.uuid, 1, 2, 5001), index_, 1, row_),
              Fails(ErrorCode::kIntegrity, "not the one that the index names"));
  EXPECT_THAT(check_shard_envelope(decoded(index_.uuid, 1, 2, 9000), index_, 1, row_),
              Fails(ErrorCode::kIntegrity, "not the one that the index names"));
  Envelope index_kind = shard_;
  index_kind.kind = FileKind::kIndex;
  EXPECT_THAT(check_shard_envelope(index_kind, index_, 1, row_),
              Fails(ErrorCode::kIntegrity, "is an index"));
}

}  // namespace
}  // namespace wpack::format
