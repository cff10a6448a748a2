// Tensors as they are rebuilt from a pickle's calls, through whole checkpoints {"x": tensor}.
#include "import/torch/tensor_rebuild.h"

#include <gtest/gtest.h>

#include <functional>

#include "import/torch/checkpoint_file.h"
#include "refusals/tables.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::holding;
using testing::open_pickle;
using testing::PickleBuilder;
using testing::rebuild;

constexpr std::int64_t kMax = INT64_MAX;

struct Accepted {
  const char* what;
  std::function<void(PickleBuilder&)> value;
  std::vector<std::uint64_t> shape;
  DType dtype;
  std::string bytes;
};

const Accepted kAccepted[] = {
    {"_v2", [](auto& b) { b.tensor("0", 2, {2}, {1}); }, {2}, DType::kF32, "abcdefgh"},
    {"_v2 of a slice",
     [](auto& b) { b.tensor("0", 8, {3}, {1}, 2, "ByteStorage"); },
     {3},
     DType::kU8,
     "cde"},
    {"_v2 reversed axes",
     [](auto& b) {
       b.tensor("0", 4, {2, 2}, {1, 2}, 0, "ShortStorage");
     },
     {2, 2},
     DType::kI16,
     "abefcdgh"},
    {"_v2 of no elements far outside",
     [](auto& b) {
       b.tensor("0", 2, {0, kMax}, {9, 9}, 99);
     },
     {0, static_cast<std::uint64_t>(kMax)},
     DType::kF32,
     ""},
    {"_v2 with empty metadata",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor_v2")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .numbers({1})
           .numbers({1})
           .boolean(true)
           .ordered_dict()
           .empty_dict()
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"_v2 with conj off",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor_v2")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .numbers({1})
           .numbers({1})
           .boolean(true)
           .ordered_dict()
           .empty_dict()
           .string("conj")
           .boolean(false)
           .set_item()
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"_rebuild_tensor",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("LongStorage", "0", 1)
           .integer(0)
           .empty_tuple()
           .empty_tuple()
           .tuple()
           .reduce();
     },
     {},
     DType::kI64,
     "abcdefgh"},
    {"_v3", [](auto& b) { b.tensor_v3("0", 8, "uint16", {2}, {1}, 1); }, {2}, DType::kU16, "cdef"},
    {"_rebuild_parameter",
     [](auto& b) {
       rebuild(b, "_rebuild_parameter")
           .tensor("0", 2, {1}, {1})
           .boolean(true)
           .ordered_dict()
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"_rebuild_parameter_with_state",
     [](auto& b) {
       rebuild(b, "_rebuild_parameter_with_state")
           .tensor("0", 2, {1}, {1})
           .boolean(true)
           .ordered_dict()
           .empty_dict()
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"a Buffer",
     [](auto& b) {
       rebuild(b, "_rebuild_from_type_v2", "torch._tensor")
           .global("torch._utils", "_rebuild_tensor_v2")
           .global("torch.nn.parameter", "Buffer")
           .mark()
           .storage("FloatStorage", "0", 2)
           .integer(1)
           .numbers({1})
           .numbers({1})
           .boolean(false)
           .ordered_dict()
           .tuple()
           .empty_dict()
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "efgh"},
    {"Parameter(data)",
     [](auto& b) {
       b.global("torch.nn.parameter", "Parameter").tensor("0", 2, {1}, {1}).tuple1().new_object();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"Parameter(data) with a state",
     [](auto& b) {
       b.global("torch.nn.parameter", "Parameter")
           .tensor("0", 2, {1}, {1})
           .tuple1()
           .reduce()
           .empty_dict()
           .build();
     },
     {1},
     DType::kF32,
     "abcd"},
    {"a FloatTensor built from its storage",
     [](auto& b) {
       b.global("torch", "FloatTensor")
           .empty_tuple()
           .new_object()
           .mark()
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .numbers({2})
           .numbers({1})
           .tuple()
           .build();
     },
     {2},
     DType::kF32,
     "abcdefgh"},
    {"a Parameter built from its data",
     [](auto& b) {
       b.global("torch.nn.parameter", "Parameter")
           .empty_tuple()
           .new_object()
           .mark()
           .tensor("0", 2, {2}, {1})
           .none()
           .none()
           .none()
           .none()
           .tuple()
           .build();
     },
     {2},
     DType::kF32,
     "abcdefgh"},
    {"a bare storage",
     [](auto& b) { b.storage("HalfStorage", "0", 4); },
     {4},
     DType::kF16,
     "abcdefgh"},
    {"a bare untyped storage",
     [](auto& b) { b.storage("UntypedStorage", "0", 8, "torch.storage"); },
     {8},
     DType::kU8,
     "abcdefgh"},
    {"a storage of a GPU",
     [](auto& b) { b.storage("FloatStorage", "0", 2, "torch.cuda"); },
     {2},
     DType::kF32,
     "abcdefgh"},
    {"a size as torch.Size",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .global("torch", "Size")
           .numbers({1})
           .tuple1()
           .reduce()
           .numbers({1})
           .tuple()
           .reduce();
     },
     {1},
     DType::kF32,
     "abcd"},
};

TEST(TensorRebuildTest, ReadsEveryFormOfATensor) {
  for (const Accepted& accepted : kAccepted) {
    SCOPED_TRACE(accepted.what);
    const testing::CheckpointFile file(
        testing::checkpoint_zip(holding(accepted.value), {"abcdefgh"}));
    ASSERT_OK_AND_ASSIGN(const auto source, file.open());
    ASSERT_EQ(source->description().tensors.size(), 1U);
    const SourceTensor& tensor = source->description().tensors[0];
    EXPECT_EQ(tensor.name, "x");
    EXPECT_EQ(tensor.shape, accepted.shape);
    EXPECT_EQ(tensor.dtype, accepted.dtype);
    ASSERT_OK_AND_ASSIGN(const std::string bytes, testing::read_tensor(*source, 0));
    EXPECT_EQ(bytes, accepted.bytes);
  }
}

TEST(TensorRebuildTest, RejectsTensorsThatAreNotSound) {
  for (const refusals::BadValue& bad : refusals::bad_tensors()) {
    SCOPED_TRACE(bad.what);
    const auto source = open_pickle(holding(bad.add));
    EXPECT_THAT(source, Fails(bad.code, bad.part));
    if (!source) {
      EXPECT_TRUE(source.error().message().starts_with("/proc/self/fd/"));
    }
  }
}

TEST(TensorRebuildTest, RejectsWrappersWithoutEnd) {
  PickleBuilder builder;
  builder.empty_dict().string("x");
  for (int i = 0; i < 100; ++i) builder.global("torch._utils", "_rebuild_parameter").mark();
  builder.tensor("0", 2, {2}, {1});
  for (int i = 0; i < 100; ++i) builder.tuple().reduce();
  EXPECT_THAT(open_pickle(builder.set_item().stop()),
              Fails(ErrorCode::kBadInput, "wrapped too often"));
}

TEST(TensorRebuildTest, RejectsManyExpandedViewsTogether) {
  // Each takes 60 MiB, and 16 times the archive is less than what all take.
  constexpr std::int64_t kCount = 1 << 18;
  const auto pickle = [](int views) {
    PickleBuilder builder;
    builder.empty_dict();
    for (int i = 0; i < views; ++i)
      builder.key("x" + std::to_string(i)).tensor("0", kCount, {60, kCount}, {0, 1}).close();
    return builder.stop();
  };
  const std::string storage(4 * kCount, 's');
  EXPECT_THAT(open_pickle(pickle(17), {storage}), testing::IsOk());
  EXPECT_THAT(open_pickle(pickle(18), {storage}),
              Fails(ErrorCode::kLimit, "those of an archive of"));
}

// Tensors of `size` bytes, each `step` bytes behind the one before.
std::string overlapping(int count, std::int64_t storage, std::int64_t size, std::int64_t step) {
  PickleBuilder builder;
  builder.empty_dict();
  for (int i = 0; i < count; ++i) {
    builder.key("x" + std::to_string(i));
    builder.tensor("0", storage, {size}, {1}, i * step, "ByteStorage").close();
  }
  return builder.stop();
}

TEST(TensorRebuildTest, RejectsManyViewsThatOverlap) {
  // 16 times the archive is 1 GiB and little more.
  constexpr std::int64_t kSize = std::int64_t{64} << 20;
  const std::string storage(kSize, 's');
  EXPECT_THAT(open_pickle(overlapping(16, kSize, kSize - 8000, 100), {storage}), testing::IsOk());
  EXPECT_THAT(open_pickle(overlapping(17, kSize, kSize - 8000, 100), {storage}),
              Fails(ErrorCode::kLimit, "other views that overlap"));
}

TEST(TensorRebuildTest, ReadsAnyNumberOfTiesAndSlices) {
  constexpr std::int64_t kSize = std::int64_t{16} << 20;
  const std::string storage(kSize, 's');
  EXPECT_THAT(open_pickle(overlapping(200, kSize, kSize, 0), {storage}), testing::IsOk());
  PickleBuilder builder;
  builder.empty_dict();
  for (std::int64_t i = 0; i < 200; ++i) {
    builder.key("x" + std::to_string(i));
    builder.tensor("0", kSize, {kSize - 32 * i}, {1}, 16 * i, "ByteStorage").close();
  }
  EXPECT_THAT(open_pickle(builder.stop(), {storage}), testing::IsOk());
}

TEST(TensorRebuildTest, RejectsStridesThatScatterElementsWithoutEnd) {
  // Single bytes more than a page apart, over more than a window.
  const std::string storage(std::size_t{4} << 20, 's');
  const auto pickle = [&](std::int64_t side) {
    return holding([&](auto& b) {
      b.tensor("0", std::ssize(storage), {side, side, side, side}, {8212, 8211, 8210, 8209}, 0,
               "ByteStorage");
    });
  };
  EXPECT_THAT(open_pickle(pickle(45), {storage}), testing::IsOk());
  EXPECT_THAT(open_pickle(pickle(100), {storage}),
              Fails(ErrorCode::kLimit, "tensor 'x': its strides"));
}

TEST(TensorRebuildTest, ReadsATransposedMatrixOfAnyShape) {
  // As a large vocabulary has it.
  const std::string storage(std::size_t{250'000} * 64, 's');
  const std::string pickle = holding([&](auto& b) {
    b.tensor("0", std::ssize(storage), {64, 250'000}, {1, 64}, 0, "ByteStorage");
  });
  EXPECT_THAT(open_pickle(pickle, {storage}), testing::IsOk());
}

TEST(TensorRebuildTest, ReadsANumberThatIsExpandedToAWholeTensor) {
  const std::string pickle = holding([](auto& b) { b.tensor("0", 2, {1 << 27, 2}, {0, 1}); });
  const testing::CheckpointFile file(testing::checkpoint_zip(pickle, {"abcdefgh"}));
  ASSERT_OK_AND_ASSIGN(const auto source, file.open());
  EXPECT_EQ(source->description().tensors[0].nbytes, std::uint64_t{1} << 30);
}

TEST(TensorRebuildTest, ReadsExpandedViewsUpToTheLimit) {
  const std::string pickle = holding([](auto& b) {
    b.tensor("0", 1 << 20, {300, 1 << 20}, {0, 1});
  });
  const std::string storage(std::size_t{4} << 20, 's');
  const testing::CheckpointFile file(testing::checkpoint_zip(pickle, {storage}));
  SourceOptions options;
  EXPECT_THAT(file.open(options), Fails(ErrorCode::kLimit, "tensor 'x'"));
  options.max_expansion = 300;
  ASSERT_OK_AND_ASSIGN(const auto source, file.open(options));
  EXPECT_EQ(source->description().tensors[0].nbytes, std::uint64_t{300} << 22);
}

}  // namespace
}  // namespace wpack::import
