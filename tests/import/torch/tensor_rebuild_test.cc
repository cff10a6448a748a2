// Tensors as they are rebuilt from a pickle's calls, through whole checkpoints {"x": tensor}.
#include "import/torch/tensor_rebuild.h"

#include <gtest/gtest.h>

#include <functional>

#include "import/torch/checkpoint_file.h"

namespace wpack::import {
namespace {

using testing::Fails;
using testing::open_pickle;
using testing::PickleBuilder;

constexpr std::int64_t kMax = INT64_MAX;

// {"x": what `value` appends}; storage "0" holds the 8 bytes "abcdefgh".
std::string holding(const std::function<void(PickleBuilder&)>& value) {
  PickleBuilder builder;
  builder.empty_dict().string("x");
  value(builder);
  return builder.set_item().stop();
}

PickleBuilder& rebuild(PickleBuilder& builder, std::string_view function,
                       std::string_view module = "torch._utils") {
  return builder.global(module, function).mark();
}

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

struct Refused {
  const char* what;
  std::function<void(PickleBuilder&)> value;
  const char* part;
  ErrorCode code = ErrorCode::kBadInput;
};

const Refused kRefused[] = {
    {"an end outside", [](auto& b) { b.tensor("0", 2, {3}, {1}); }, "outside its storage"},
    {"an offset outside", [](auto& b) { b.tensor("0", 2, {1}, {1}, 2); }, "outside its storage"},
    {"a stride outside", [](auto& b) { b.tensor("0", 2, {2}, {2}); }, "outside its storage"},
    {"an offset that wraps around", [](auto& b) { b.tensor("0", 2, {2}, {1}, kMax); },
     "outside its storage"},
    {"a stride that wraps around",
     [](auto& b) {
       b.tensor("0", 2, {3, 3}, {kMax, kMax});
     },
     "outside its storage"},
    {"bytes that wrap around", [](auto& b) { b.tensor("0", 2, {1}, {1}, kMax / 2); },
     "outside its storage"},
    {"a size that wraps around",
     [](auto& b) {
       b.tensor("0", 2, {kMax, kMax}, {0, 0});
     },
     "does not fit into 64 bits"},
    {"a negative offset", [](auto& b) { b.tensor("0", 2, {1}, {1}, -1); }, "offset is negative"},
    {"a negative size", [](auto& b) { b.tensor("0", 2, {-1}, {1}); }, "size is negative"},
    {"a negative stride", [](auto& b) { b.tensor("0", 2, {2}, {-1}, 1); }, "stride is negative"},
    {"a boolean size",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .boolean(true)
           .tuple1()
           .numbers({1})
           .tuple()
           .reduce();
     },
     "size is no number"},
    {"a huge size",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .raw("\x8A")
           .byte(9)
           .number(0, 8)
           .byte(1)
           .tuple1()
           .numbers({1})
           .tuple()
           .reduce();
     },
     "size is no number that fits"},
    {"a size that is no tuple",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .integer(1)
           .numbers({1})
           .tuple()
           .reduce();
     },
     "size is no tuple (int)"},
    {"fewer strides than dimensions",
     [](auto& b) {
       b.tensor("0", 2, {1, 1}, {1});
     },
     "2 dimensions and 1 strides"},
    {"33 dimensions",
     [](auto& b) {
       b.tensor("0", 2, std::vector<std::int64_t>(33, 1), std::vector<std::int64_t>(33, 1));
     },
     "33 dimensions", ErrorCode::kLimit},
    {"65 dimensions",
     [](auto& b) {
       b.tensor("0", 2, std::vector<std::int64_t>(65, 1), std::vector<std::int64_t>(65, 1));
     },
     "more than 64 dimensions"},
    {"a missing storage", [](auto& b) { b.tensor("7", 2, {2}, {1}); }, "no member 'data/7'"},
    {"a storage outside the folder", [](auto& b) { b.tensor("../data/0", 2, {2}, {1}); },
     "no member 'data/../data/0'"},
    {"a storage key with a NUL", [](auto& b) { b.tensor(std::string_view("0\0", 2), 2, {2}, {1}); },
     "no member 'data/0\\x00'"},
    {"a storage that is too small", [](auto& b) { b.tensor("0", 3, {2}, {1}); },
     "3 F32 elements does not have the 8 bytes", ErrorCode::kIntegrity},
    {"a storage that is too large", [](auto& b) { b.tensor("0", 1, {1}, {1}); },
     "1 F32 elements does not have the 8 bytes", ErrorCode::kIntegrity},
    {"a storage size that wraps around", [](auto& b) { b.tensor("0", kMax, {1}, {1}); },
     "does not have the 8 bytes", ErrorCode::kIntegrity},
    {"a negative storage size", [](auto& b) { b.tensor("0", -2, {1}, {1}); },
     "number of elements is negative"},
    {"an unknown storage class", [](auto& b) { b.tensor("0", 2, {1}, {1}, 0, "MysteryStorage"); },
     "storage class torch.MysteryStorage is not known"},
    {"a quantised storage", [](auto& b) { b.storage("QInt8Storage", "0", 8); },
     "torch.QInt8Storage holds quantised values"},
    {"a storage key that is a number",
     [](auto& b) {
       b.mark()
           .string("storage")
           .global("torch", "FloatStorage")
           .integer(0)
           .string("cpu")
           .integer(2)
           .tuple()
           .persistent();
     },
     "key is no short string"},
    {"a number as storage",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .integer(0)
           .integer(0)
           .numbers({1})
           .numbers({1})
           .tuple()
           .reduce();
     },
     "int stands where a storage is expected"},
    {"too few arguments",
     [](auto& b) { rebuild(b, "_rebuild_tensor_v2").integer(0).tuple().reduce(); },
     "from 1 arguments"},
    {"too many arguments",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .numbers({1})
           .numbers({1})
           .none()
           .tuple()
           .reduce();
     },
     "from 5 arguments"},
    {"an unknown element type", [](auto& b) { b.tensor_v3("0", 8, "float3", {1}, {1}); },
     "element type torch.float3 is not known"},
    {"a quantised element type", [](auto& b) { b.tensor_v3("0", 8, "qint8", {1}, {1}); },
     "quantised element type QI8"},
    {"an unknown metadata flag",
     [](auto& b) {
       rebuild(b, "_rebuild_tensor_v2")
           .storage("FloatStorage", "0", 2)
           .integer(0)
           .numbers({1})
           .numbers({1})
           .boolean(true)
           .ordered_dict()
           .empty_dict()
           .string("odd")
           .boolean(true)
           .set_item()
           .tuple()
           .reduce();
     },
     "metadata 'odd'"},
    {"a parameter without data", [](auto& b) { rebuild(b, "_rebuild_parameter").tuple().reduce(); },
     "without a tensor"},
    {"a parameter of a number",
     [](auto& b) { rebuild(b, "_rebuild_parameter").integer(1).tuple().reduce(); },
     "int stands where a tensor is expected"},
    {"a parameter of an unknown call",
     [](auto& b) {
       rebuild(b, "_rebuild_parameter").global("m", "f").empty_tuple().reduce().tuple().reduce();
     },
     "m.f stands where a tensor is expected"},
    {"a parameter of a bare storage",
     [](auto& b) {
       rebuild(b, "_rebuild_parameter").storage("FloatStorage", "0", 2).tuple().reduce();
     },
     "storage stands where a tensor is expected"},
    {"a tensor without data",
     [](auto& b) { b.global("torch", "Tensor").empty_tuple().new_object(); },
     "torch.Tensor is made without data"},
    {"a subclass",
     [](auto& b) {
       rebuild(b, "_rebuild_from_type_v2", "torch._tensor")
           .global("torch._utils", "_rebuild_tensor_v2")
           .global("my", "Sub")
           .empty_tuple()
           .none()
           .tuple()
           .reduce();
     },
     "subclass my.Sub is not supported"},
    {"a typed tensor of an unknown function",
     [](auto& b) {
       rebuild(b, "_rebuild_from_type_v2", "torch._tensor")
           .global("my", "f")
           .global("torch", "Tensor")
           .empty_tuple()
           .none()
           .tuple()
           .reduce();
     },
     "my.f is no function that rebuilds tensors"},
    {"a typed tensor of numbers",
     [](auto& b) {
       rebuild(b, "_rebuild_from_type_v2", "torch._tensor").integer(1).tuple().reduce();
     },
     "a typed tensor is not"},
    {"a quantised tensor", [](auto& b) { rebuild(b, "_rebuild_qtensor").tuple().reduce(); },
     "makes a quantised tensor"},
    {"a rebuild function of the future",
     [](auto& b) { rebuild(b, "_rebuild_tensor_v9").tuple().reduce(); },
     "torch._utils._rebuild_tensor_v9 makes a tensor in an unknown way"},
    {"a tensor in an unknown object",
     [](auto& b) { b.global("m", "f").tensor("0", 2, {2}, {1}).tuple1().reduce(); },
     "'x' is made by m.f, which is not known, and holds tensors"},
    {"a tensor in an unknown object's state",
     [](auto& b) {
       b.global("m", "C")
           .empty_tuple()
           .new_object()
           .empty_dict()
           .string("w")
           .tensor("0", 2, {2}, {1})
           .set_item()
           .build();
     },
     "'x' is made by m.C"},
    {"a tensor in an unknown dictionary",
     [](auto& b) {
       b.global("m", "D")
           .empty_tuple()
           .new_object()
           .string("w")
           .tensor("0", 2, {2}, {1})
           .set_item();
     },
     "'x' is made by m.D"},
    {"expanded too far",
     [](auto& b) {
       b.tensor("0", 2, {65, 2}, {0, 1});
     },
     "more than 64 times the 8 bytes", ErrorCode::kLimit},
    {"expanded without end",
     [](auto& b) {
       b.tensor("0", 2, {kMax / 16, 1}, {0, 1});
     },
     "more than 64 times", ErrorCode::kLimit},
};

TEST(TensorRebuildTest, RejectsTensorsThatAreNotSound) {
  for (const Refused& refused : kRefused) {
    SCOPED_TRACE(refused.what);
    const auto source = open_pickle(holding(refused.value));
    EXPECT_THAT(source, Fails(refused.code, refused.part));
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
  // Each takes 60 MiB, and 64 times the archive is less than what all take.
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
  EXPECT_THAT(open_pickle(pickle(18), {storage}), Fails(ErrorCode::kLimit, "bytes of the archive"));
}

TEST(TensorRebuildTest, ReadsExpandedViewsUpToTheLimit) {
  const std::string pickle = holding([](auto& b) { b.tensor("0", 2, {65, 2}, {0, 1}); });
  SourceOptions options;
  options.max_expansion = 65;
  const testing::CheckpointFile file(testing::checkpoint_zip(pickle, {"abcdefgh"}));
  ASSERT_OK_AND_ASSIGN(const auto source, file.open(options));
  EXPECT_EQ(source->description().tensors[0].nbytes, 520U);
}

}  // namespace
}  // namespace wpack::import
