#include "import/torch/strided_gather.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "support/result_matchers.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::IsOk;

struct View {
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;
  std::uint64_t offset = 0;  // elements
  std::uint64_t element = 4;

  [[nodiscard]] std::uint64_t count() const { return *element_count(shape); }
  [[nodiscard]] StridedView get() const { return {shape, strides, offset * element, element}; }
  [[nodiscard]] std::uint64_t storage_count() const {
    std::uint64_t last = offset;
    for (std::size_t i = 0; i < shape.size(); ++i) last += (shape[i] - 1) * strides[i];
    return last + 1;
  }
};

std::vector<std::byte> make_storage(const View& view) {
  std::vector<std::byte> storage(view.storage_count() * view.element);
  std::minstd_rand random(1);
  for (std::byte& byte : storage) byte = static_cast<std::byte>(random());
  return storage;
}

// One element at a time.
std::vector<std::byte> expected(const View& view, const std::vector<std::byte>& storage) {
  std::vector<std::byte> out(view.count() * view.element);
  for (std::uint64_t i = 0; i < view.count(); ++i) {
    std::uint64_t at = view.offset;
    std::uint64_t rest = i;
    for (std::size_t axis = view.shape.size(); axis-- > 0;) {
      at += rest % view.shape[axis] * view.strides[axis];
      rest /= view.shape[axis];
    }
    std::memcpy(&out[i * view.element], &storage[at * view.element], view.element);
  }
  return out;
}

// Counts reads and fails the test if one leaves the storage.
struct CountingStorage {
  const std::vector<std::byte>& bytes;
  std::size_t reads = 0;
  std::size_t read_bytes = 0;
  std::size_t largest = 0;

  ReadStorage reader() {
    return [this](std::uint64_t offset, MutableBytes out) -> Status {
      EXPECT_LE(offset + out.size(), bytes.size());
      std::memcpy(out.data(), bytes.data() + offset, out.size());
      ++reads;
      read_bytes += out.size();
      largest = std::max(largest, out.size());
      return {};
    };
  }
};

const View kViews[] = {
    {{6, 4}, {1, 6}},                           // transposed
    {{5}, {3}, 2, 2},                           // every third
    {{4, 3}, {0, 1}, 5, 8},                     // expanded in front
    {{3, 4}, {1, 0}, 0, 1},                     // expanded behind
    {{2, 3, 4}, {1, 8, 2}, 3, 4},               // permuted
    {{4, 4}, {1, 1}, 0, 16},                    // overlapping
    {{1, 5, 1}, {9, 2, 7}, 1, 4},               // dimensions of one element
    {{7}, {0}, 3, 4},                           // one element repeated
    {{2, 2, 2, 2, 2}, {1, 2, 4, 8, 16}, 0, 2},  // reversed dimensions
    {{3, 1000}, {1, 5000}, 0, 4},               // steps of more than a page
    {{600, 900}, {1, 600}, 7, 4},               // larger than a window
    {{700'000, 2}, {1, 700'000}, 0, 2},         // two rows, each larger than a window
    {{2, 300'000}, {1, 3}, 0, 4},               // one axis larger than a window
    {{2, 3}, {1'000'000, 400'000}, 1, 4},       // single elements far apart
};

TEST(StridedGatherTest, ReadsWholeViews) {
  for (const View& view : kViews) {
    const auto storage = make_storage(view);
    CountingStorage counting{storage};
    std::vector<std::byte> out(view.count() * view.element);
    StridedGather gather;
    ASSERT_THAT(gather.read(view.get(), 0, out, counting.reader()), IsOk());
    EXPECT_EQ(out, expected(view, storage));
    EXPECT_LE(counting.largest, std::size_t{1} << 20);
  }
}

TEST(StridedGatherTest, ReadsEveryPieceOfAView) {
  for (const View& view : kViews) {
    if (view.count() > 100) continue;
    const auto storage = make_storage(view);
    const auto all = expected(view, storage);
    CountingStorage counting{storage};
    StridedGather gather;
    for (std::uint64_t first = 0; first < view.count(); ++first) {
      for (std::uint64_t count = 0; first + count <= view.count(); ++count) {
        std::vector<std::byte> out(count * view.element);
        ASSERT_THAT(gather.read(view.get(), first, out, counting.reader()), IsOk());
        ASSERT_TRUE(
            std::ranges::equal(out, std::span(all).subspan(first * view.element, out.size())))
            << "first " << first << " count " << count;
      }
    }
  }
}

TEST(StridedGatherTest, ReadsATransposedMatrixWithFewCalls) {
  const View view{{600, 900}, {1, 600}};
  const auto storage = make_storage(view);
  CountingStorage counting{storage};
  std::vector<std::byte> out(view.count() * view.element);
  StridedGather gather;
  ASSERT_THAT(gather.read(view.get(), 0, out, counting.reader()), IsOk());
  EXPECT_LE(counting.reads, 4U);
  EXPECT_EQ(counting.read_bytes, storage.size());
}

TEST(StridedGatherTest, LeavesLargeGapsUnread) {
  const View view{{3, 1000}, {1, 5000}};
  const auto storage = make_storage(view);
  CountingStorage counting{storage};
  std::vector<std::byte> out(view.count() * view.element);
  StridedGather gather;
  ASSERT_THAT(gather.read(view.get(), 0, out, counting.reader()), IsOk());
  EXPECT_EQ(counting.read_bytes, out.size());
}

TEST(StridedGatherTest, ReadsManySmallStepsOfMoreThanAPageAtOnce) {
  const View view{{8, 8, 8, 8}, {4203, 4202, 4201, 4200}, 0, 1};
  const auto storage = make_storage(view);
  CountingStorage counting{storage};
  std::vector<std::byte> out(view.count());
  StridedGather gather;
  ASSERT_THAT(gather.read(view.get(), 0, out, counting.reader()), IsOk());
  EXPECT_EQ(out, expected(view, storage));
  EXPECT_EQ(counting.reads, 1U);
}

TEST(StridedGatherTest, ReturnsWhatReadingCosts) {
  for (const View& view : kViews) {
    const auto storage = make_storage(view);
    CountingStorage counting{storage};
    std::vector<std::byte> out(view.count() * view.element);
    StridedGather gather;
    ASSERT_THAT(gather.read(view.get(), 0, out, counting.reader()), IsOk());
    EXPECT_EQ(StridedGather::cost(view.get(), 0, view.count()),
              counting.reads * 4096 + counting.read_bytes);
  }
}

TEST(StridedGatherTest, ReturnsTheErrorOfTheStorage) {
  const View view{{6, 4}, {1, 6}};
  std::vector<std::byte> out(view.count() * view.element);
  StridedGather gather;
  const ReadStorage broken = [](std::uint64_t, MutableBytes) -> Status {
    return Error(ErrorCode::kIo, "broken");
  };
  EXPECT_THAT(gather.read(view.get(), 0, out, broken), Fails(ErrorCode::kIo, "broken"));
}

}  // namespace
}  // namespace wpack::import
