// Every single bit of every file of a container, flipped.
#include "damage/damaged_container.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kMagicSize = 8;
constexpr std::uint64_t kPage = 4096;

// Flips each bit of the bytes in `range`, one at a time, and returns the first few of those after
// which `look()` does not give what `expected(offset)` says.
template <typename Look, typename Expected>
std::vector<std::string> misjudged_bits(const FileInPlace& file, ByteRange range, Look look,
                                        Expected expected) {
  constexpr std::size_t kEnough = 10;
  std::vector<std::string> misjudged;
  for (std::uint64_t bit = range.begin * 8; bit < range.end * 8; ++bit) {
    file.flip_bit(bit);
    const Outcome outcome = look();
    if (outcome != Outcome(expected(bit / 8)) && misjudged.size() < kEnough) {
      misjudged.push_back("bit " + std::to_string(bit % 8) + " at offset " +
                          std::to_string(bit / 8) + ": " + to_text(outcome));
    }
    if (bit % 8 == 7) file.restore_byte(bit / 8);
  }
  return misjudged;
}

ErrorCode integrity(std::uint64_t /*offset*/) { return ErrorCode::kIntegrity; }
// An index without the magic is no index; a shard without it is a damaged one.
ErrorCode of_index(std::uint64_t offset) {
  return offset < kMagicSize ? ErrorCode::kBadInput : ErrorCode::kIntegrity;
}

class BitFlipTest : public DamagedContainerTest {
 protected:
  using Misjudged = std::vector<std::string>;
};

TEST_F(BitFlipTest, IsFoundAtOpenAnywhereInTheIndex) {
  const FileInPlace index(file("index.wpi"));
  ASSERT_EQ(index.size(), 2 * kPage);
  const auto look = [&] { return open_outcome(path_); };
  EXPECT_EQ(misjudged_bits(index, {0, index.size()}, look, of_index), Misjudged());
  EXPECT_EQ(verify_outcome(path_), Outcome());
}

TEST_F(BitFlipTest, IsFoundAtTheFirstUseAnywhereInAnEnvelope) {
  const FileInPlace shard(file("00000.wps"));
  const auto look = [&]() -> Outcome {
    const auto container = Container::open(path_);
    if (!container) return ErrorCode::kInternal;  // too early
    return outcome_of(container->tensor(0));
  };
  EXPECT_EQ(misjudged_bits(shard, {0, kPage}, look, integrity), Misjudged());
}

TEST_F(BitFlipTest, IsFoundWhereAnAttachmentIsTheFirstUseOfAShard) {
  const FileInPlace shard(file("00001.wps"));
  const auto look = [&]() -> Outcome {
    const auto container = Container::open(path_);
    if (!container || !container->tensor(0)) return ErrorCode::kInternal;  // too early
    return outcome_of(container->attachment("config.json"));
  };
  EXPECT_EQ(misjudged_bits(shard, {0, kPage}, look, integrity), Misjudged());
}

TEST_F(BitFlipTest, IsFoundByVerifyAnywhereInAShard) {
  for (const char* name : {"00000.wps", "00001.wps"}) {
    const FileInPlace shard(file(name));
    ASSERT_EQ(shard.size(), 2 * kPage);
    const auto look = [&] { return verify_outcome(path_); };
    EXPECT_EQ(misjudged_bits(shard, {0, shard.size()}, look, integrity), Misjudged()) << name;
  }
  EXPECT_EQ(verify_outcome(path_), Outcome());
}

// A container stays open over all flips: what was refused is looked at again. A mapped chunk that
// was found sound is not, so that each tensor gets a container of its own.
class HandOutTest : public BitFlipTest, public ::testing::WithParamInterface<AccessMode> {
 protected:
  [[nodiscard]] Container open() const {
    return *Container::open(path_, {.verify = VerifyPolicy::kTouch, .access = GetParam()});
  }
};

// Refused whichever way the bytes are asked for, or kInternal if not.
Outcome ask_for(const Container& container, std::string_view tensor, std::string_view layer) {
  const Outcome alone = outcome_of(container.tensor(tensor));
  const Outcome layered = outcome_of(container.layer(layer).value().acquire());
  return alone == layered ? alone : ErrorCode::kInternal;
}

// The bytes of its file in which a tensor lies.
ByteRange place_of(const Container& container, std::string_view tensor) {
  const TensorInfo info = *container.find(tensor);
  return {info.offset, info.offset + info.nbytes};
}

std::string name_of_access(const ::testing::TestParamInfo<AccessMode>& info) {
  return info.param == AccessMode::kMap ? "Map" : "Read";
}

INSTANTIATE_TEST_SUITE_P(Access, HandOutTest,
                         ::testing::Values(AccessMode::kMap, AccessMode::kRead), name_of_access);

TEST_P(HandOutTest, RefusesATensorWithAnyBitFlipped) {
  const FileInPlace shard(file("00000.wps"));
  for (const std::string tensor : {"a.x", "a.y", "b.x"}) {
    const std::string layer = tensor.substr(0, 1);
    const Container container = open();
    const auto look = [&] { return ask_for(container, tensor, layer); };
    EXPECT_EQ(misjudged_bits(shard, place_of(container, tensor), look, integrity), Misjudged())
        << tensor;
    EXPECT_EQ(look(), Outcome()) << tensor;
  }
}

TEST_P(HandOutTest, RefusesAnAttachmentWithAnyBitFlipped) {
  const FileInPlace shard(file("00001.wps"));
  const Container container = open();
  const auto look = [&] { return outcome_of(container.attachment("config.json")); };
  EXPECT_EQ(misjudged_bits(shard, {kPage, kPage + 200}, look, integrity), Misjudged());
  EXPECT_EQ(look(), Outcome());
}

}  // namespace
}  // namespace wpack::testing
