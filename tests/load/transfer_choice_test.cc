// How transfers read: past the page cache where it does not hold the bytes, whatever way was chosen
// for those who map them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "load/transfer_fixture.h"
#include "support/open_file_limit.h"
#include "support/page_cache.h"
#include "support/sanitizer.h"
#include "wpack/explain.h"

namespace wpack::testing {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TransferChoiceTest : public TransferTest {
 protected:
  // Notes every reader that is made, and makes it as it was chosen.
  [[nodiscard]] Container open_noting(OpenOptions options = {}) {
    return open(
        [this](const ReadChoice& choice) {
          choices_.push_back(choice);
          return make_pread_reader(choice.depth, choice.direct);
        },
        options);
  }
  // A small shard may come back with the kernel's readahead as its first page is read.
  // Skips where the file system keeps the pages, or has no direct reads.
  void make_cold(const Container& container) {
    for (const ShardInfo& shard : container.shards())
      ASSERT_TRUE(drop_from_page_cache(path_ + "/" + shard.name));
    ASSERT_OK_AND_ASSIGN(const Explanation found, explain(container));
    for (const ShardExplanation& shard : found.shards) {
      if (!shard.file.direct_alignment) GTEST_SKIP() << "no direct reads here";
      if (!shard.in_use && shard.file.resident.value_or(std::uint64_t{1}) != 0)
        GTEST_SKIP() << "the shards stay in the page cache";
    }
  }
  void expect_layers_copied(const Container& container) {
    for (std::uint32_t id = 0; id < container.layer_count(); ++id) {
      ASSERT_OK_AND_ASSIGN(const DeviceLayer layer, load_layer(container, id, *ring_));
      for (const DeviceTensor& tensor : layer.tensors()) {
        EXPECT_TRUE(contents(tensor.range) == expected(tensor.info))
            << "other bytes in " << tensor.info.name;
      }
    }
  }

  static rlim_t first_free_descriptor() {
    const int first = ::dup(0);
    ::close(first);
    return static_cast<rlim_t>(first);
  }

  std::vector<ReadChoice> choices_;
};

TEST_F(TransferChoiceTest, CopiesColdBytesToADevicePastThePageCache) {
  use({});
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  expect_layers_copied(container);
  EXPECT_THAT(choices_, Contains(Field(&ReadChoice::method, ReadMethod::kDirect)));
  ASSERT_OK_AND_ASSIGN(const Explanation found, explain(container));
  EXPECT_EQ(found.shards[0].choice.method, ReadMethod::kReadInAndMap)
      << "who maps the same container is not concerned";
}

TEST_F(TransferChoiceTest, ReadsColdBytesPastThePageCacheIntoAlignedMemory) {
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  expect_all_read(container, 0);
  EXPECT_THAT(choices_, Contains(Field(&ReadChoice::method, ReadMethod::kDirect)));
}

TEST_F(TransferChoiceTest, ReadsManyAtOnceIntoMemoryWhereDirectReadsCannotEnd) {
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  const TensorInfo tensor = container.find("embed.weight").value();
  std::vector<std::byte> memory(tensor.nbytes + 4'096);
  const std::size_t odd = reinterpret_cast<std::uintptr_t>(memory.data()) % 2 == 0 ? 1 : 0;
  const MutableBytes out = MutableBytes(memory).subspan(odd, tensor.nbytes);
  ASSERT_THAT(read_tensor(container, tensor.id, out), IsOk());
  EXPECT_TRUE(std::ranges::equal(out, expected(tensor)));
  EXPECT_THAT(choices_, Each(Field(&ReadChoice::method, ReadMethod::kBuffered)));
  EXPECT_THAT(container.stats().fallbacks,
              ElementsAre(Field(&Fallback::reason, HasSubstr("memory that is not aligned"))));
}

TEST_F(TransferChoiceTest, CopiesColdBytesThroughSlotsThatHoldNoMoreThanAChunk) {
  use({}, 2, kChunk);
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  expect_layers_copied(container);
  EXPECT_THAT(container.stats().fallbacks, Contains(Field(&Fallback::reason, HasSubstr("slot"))));
}

TEST_F(TransferChoiceTest, CountsThatShardsAreReadInDifferentWays) {
  use({});
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  ASSERT_THAT(container.tensor("embed.weight"), IsOk());
  {
    std::ifstream warm(path_ + "/00000.wps", std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(warm)), std::istreambuf_iterator<char>());
    ASSERT_FALSE(all.empty());
  }
  const Room room = make_room(container);
  ASSERT_THAT(copy_to_device(container, room.tensors, *ring_), IsOk());
  expect_all_copied(container, room);
  EXPECT_THAT(container.stats().fallbacks,
              ElementsAre(Field(&Fallback::reason, HasSubstr("read in different ways"))));
}

TEST_F(TransferChoiceTest, GoesThroughThePageCacheWhereNoFileCanBeOpenedAgain) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer opens files, too, and takes a refusal for a defect";
  use({});
  const Container container = open_noting();
  ASSERT_THAT(container.tensor("layers.0.bias"), IsOk());  // now its facts are known
  make_cold(container);                                    // which opens the shard again
  if (IsSkipped()) return;
  {
    const OpenFileLimit none(first_free_descriptor());  // direct reads take one more
    ASSERT_THAT(load_layer(container, 0, *ring_), IsOk());
  }
  EXPECT_THAT(choices_, Each(Field(&ReadChoice::method, ReadMethod::kBuffered)));
  EXPECT_THAT(container.stats().fallbacks,
              ElementsAre(Field(&Fallback::reason, HasSubstr("Too many open files"))));
}

TEST_F(TransferChoiceTest, TakesBytesFromThePageCacheWhereItHoldsThem) {
  use({});
  const Container container = open_noting();
  expect_layers_copied(container);
  EXPECT_THAT(choices_, Each(Field(&ReadChoice::method, ReadMethod::kBuffered)));
}

TEST_F(TransferChoiceTest, TakesBytesFromThePageCacheOnceAMappingHasBroughtThemThere) {
  use({});
  const Container container = open_noting();
  make_cold(container);
  if (IsSkipped()) return;
  expect_oracle(container, builder_);
  EXPECT_THAT(choices_, IsEmpty()) << "a mapping needs no reader";
  expect_layers_copied(container);
  EXPECT_THAT(choices_, Each(Field(&ReadChoice::method, ReadMethod::kBuffered)));
}

TEST_F(TransferChoiceTest, CountsWhatItReadsAndHowLongItTookToCheck) {
  use({});
  const Container container = open_noting({.verify = VerifyPolicy::kTouch});
  const AccessStats before = container.stats();
  ASSERT_THAT(load_layer(container, 0, *ring_), IsOk());
  const AccessStats after = container.stats();
  EXPECT_GE(after.read_bytes - before.read_bytes, 300'000U);
  EXPECT_GT(after.stalls.disk, before.stalls.disk);
  EXPECT_GT(after.stalls.verify, before.stalls.verify);
  EXPECT_EQ(after.reads_in_flight, 0U);
}

}  // namespace
}  // namespace wpack::testing
