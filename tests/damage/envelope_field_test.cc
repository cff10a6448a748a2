// Envelopes whose checksum is right again, as a hostile or a newer writer would leave them: flags,
// reserved bytes, identity.
#include "damage/damaged_container.h"
#include "format/checksum.h"

namespace wpack::testing {
namespace {

constexpr std::size_t kHashAt = 4088;

class EnvelopeFieldTest : public DamagedContainerTest {
 protected:
  EnvelopeFieldTest() { std::filesystem::remove_all(path_); }

  // Builds the container anew with a bit of an envelope flipped (of shard `number`, or kNone for
  // the index); the index's row knows the new checksum.
  [[nodiscard]] std::string build_with_bit(std::uint32_t number, std::size_t bit) {
    std::filesystem::remove_all(path_);
    const auto flip = [=](format::EnvelopeBytes& page) {
      page[bit / 8] ^= std::byte{1} << (bit % 8);
    };
    return damaged_builder().patch_envelope(number, flip).build(path_);
  }
  // Expects each bit of these bytes to be refused as a matter of structure: at open in the index,
  // at the first use in a shard.
  void expect_refused(ByteRange bytes, const std::string& cause) {
    for (std::size_t bit = bytes.begin * 8; bit < bytes.end * 8; ++bit) {
      EXPECT_THAT(Container::open(build_with_bit(format::kNone, bit)),
                  Fails(ErrorCode::kBadInput, "index.wpi: " + cause));
      ASSERT_OK_AND_ASSIGN(const Container container, Container::open(build_with_bit(0, bit)));
      EXPECT_THAT(container.tensor(0), Fails(ErrorCode::kBadInput, "00000.wps: " + cause));
      EXPECT_EQ(verify_outcome(path_), ErrorCode::kBadInput);
    }
  }
  // Flips a bit of the envelope of a file in place and makes its checksum right.
  static void flip_bit(const FileInPlace& file, std::size_t bit) {
    std::string page = file.bytes().substr(0, kHashAt);
    page[bit / 8] = static_cast<char>(page[bit / 8] ^ (1 << (bit % 8)));
    const std::uint64_t hash = format::hash64(std::as_bytes(std::span(page)));
    file.write(0, page.data(), page.size());
    file.write(kHashAt, &hash, sizeof hash);
  }
};

TEST_F(EnvelopeFieldTest, RefusesEveryUnknownIncompatibleFlag) {
  expect_refused({24, 32}, "needs features that this wpack does not have");
}

TEST_F(EnvelopeFieldTest, RefusesEveryOtherVersion) {
  expect_refused({8, 12}, "has format version ");
}

TEST_F(EnvelopeFieldTest, IgnoresEveryUnknownCompatibleFlag) {
  for (std::size_t bit = 32 * 8; bit < 40 * 8; ++bit) {
    for (const std::uint32_t number : {format::kNone, 0U, 1U}) {
      const std::string path = build_with_bit(number, bit);
      EXPECT_EQ(use_outcome(path, AccessMode::kMap), Outcome()) << bit;
      EXPECT_EQ(verify_outcome(path), Outcome()) << bit;
    }
  }
}

TEST_F(EnvelopeFieldTest, RefusesEveryReservedBit) {
  (void)damaged_builder().build(path_);
  const FileInPlace index(file("index.wpi"));
  const FileInPlace shard(file("00000.wps"));
  const auto check = [&](std::size_t bit) {
    flip_bit(index, bit);
    ASSERT_EQ(open_outcome(path_), ErrorCode::kBadInput) << bit;
    index.restore();
    flip_bit(shard, bit);
    ASSERT_EQ(use_outcome(path_, AccessMode::kMap), ErrorCode::kBadInput) << bit;
  };
  for (std::size_t bit = 17 * 8; bit < 24 * 8; ++bit) ASSERT_NO_FATAL_FAILURE(check(bit));
  for (std::size_t at = 96; at < kHashAt; ++at) ASSERT_NO_FATAL_FAILURE(check(at * 8 + at % 8));
}

TEST_F(EnvelopeFieldTest, FindsEveryBitOfAnotherIdentity) {
  for (std::size_t bit = 40 * 8; bit < 56 * 8; ++bit) {
    ASSERT_OK_AND_ASSIGN(const Container index,
                         Container::open(build_with_bit(format::kNone, bit)));
    EXPECT_THAT(index.tensor(0), Fails(ErrorCode::kIntegrity, "00000.wps: belongs to container"));
    EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity);
    ASSERT_OK_AND_ASSIGN(const Container shard, Container::open(build_with_bit(1, bit)));
    EXPECT_THAT(shard.attachment("config.json"),
                Fails(ErrorCode::kIntegrity, "00001.wps: belongs to container"));
    EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity);
  }
}

}  // namespace
}  // namespace wpack::testing
