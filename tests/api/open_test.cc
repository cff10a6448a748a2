// The whole of reading, as a user gets it: what pack() writes, Container::open() opens.
#include <gtest/gtest.h>

#include "support/memory_source.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/container.h"
#include "wpack/pack.h"
#include "wpack/verify.h"

namespace wpack::testing {
namespace {

class OpenTest : public ::testing::Test {
 protected:
  OpenTest() {
    source_.add("embed.weight", pattern_bytes(3'000'000, 1));
    source_.add("layers.0.up", pattern_bytes(500'000, 2))
        .add("layers.0.norm", pattern_bytes(512, 3));
    source_.add("layers.1.up", pattern_bytes(500'000, 4)).add("layers.1.none", {});
    source_.add_view("head.weight", 0, 0, DType::kF32, {3, 250'000});
  }
  void expect_bytes(const Container& container) const {
    for (std::size_t i = 0; i < source_.description().tensors.size(); ++i) {
      ASSERT_OK_AND_ASSIGN(const Tensor tensor,
                           container.tensor(source_.description().tensors[i].name));
      EXPECT_TRUE(std::ranges::equal(tensor.bytes(), source_.bytes(i))) << tensor.name();
    }
  }

  TempDir directory_;
  MemorySource source_;
  std::string path_ = directory_.file("m.wpack");
};

TEST_F(OpenTest, ReadsWhatWasPackedInEveryModeAndPolicy) {
  ASSERT_THAT(pack(source_, path_), IsOk());
  for (const AccessMode access : {AccessMode::kAuto, AccessMode::kMap, AccessMode::kRead}) {
    for (const VerifyPolicy verify :
         {VerifyPolicy::kIndex, VerifyPolicy::kTouch, VerifyPolicy::kFull}) {
      ASSERT_OK_AND_ASSIGN(const Container container,
                           Container::open(path_, {.verify = verify, .access = access}));
      expect_bytes(container);
      for (const Layer& layer : container.layers()) ASSERT_THAT(layer.acquire(), IsOk());
      ASSERT_OK_AND_ASSIGN(const Tensor tensor, container.tensor("embed.weight"));
      EXPECT_EQ(tensor.mapped(), access != AccessMode::kRead);
    }
  }
}

TEST_F(OpenTest, FindsNoFaultInWhatWasPacked) {
  ASSERT_OK_AND_ASSIGN(const PackReport packed, pack(source_, path_, {.shard_size = 1 << 20}));
  EXPECT_GT(packed.shard_count, 1U);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path_));
  for (const Error& fault : report.faults) ADD_FAILURE() << fault.message();
  EXPECT_EQ(report.checked_bytes, packed.container_bytes);
  EXPECT_EQ(report.tensor_count, packed.tensor_count);
}

TEST_F(OpenTest, KeepsReadingTheOldBytesOfAReplacedContainer) {
  ASSERT_THAT(pack(source_, path_), IsOk());
  ASSERT_OK_AND_ASSIGN(const Container container, Container::open(path_));
  MemorySource other;
  other.add("other", pattern_bytes(100, 9));
  ASSERT_THAT(pack(other, path_, {.replace = true}), IsOk());
  expect_bytes(container);
  ASSERT_OK_AND_ASSIGN(const Container replaced, Container::open(path_));
  EXPECT_THAT(replaced.tensor("other"), IsOk());
}

TEST_F(OpenTest, RejectsWhatIsNotThere) {
  EXPECT_THAT(Container::open(path_), Fails(ErrorCode::kIo, "m.wpack: open directory failed"));
}

}  // namespace
}  // namespace wpack::testing
