#include <cstdint>

#include "refusals/tables.h"

namespace wpack::refusals {
namespace {

using testing::PickleBuilder;
using testing::rebuild;

using namespace std::string_view_literals;

constexpr std::int64_t kMax = INT64_MAX;

// A tensor, and a value that 300,000 containers hold, one in the other.
auto in_depth(std::string_view open, std::string_view close) {
  return [=](PickleBuilder& t) {
    t.weight("w").key("deep");
    for (int i = 0; i < 300'000; ++i) t.raw(open);
    t.none();
    for (int i = 0; i < 300'000; ++i) t.raw(close);
    t.set_item();
  };
}

}  // namespace

std::vector<BadValue> bad_tensors() {
  return {
      {"a typed tensor made in a way that is not supported",
       [](auto& b) {
         rebuild(b, "_rebuild_from_type_v2", "torch._tensor")
             .global("torch._utils", "_rebuild_sparse_tensor")
             .global("torch.nn.parameter", "Parameter")
             .mark()
             .tuple()
             .none()
             .tuple()
             .reduce();
       },
       "torch._utils._rebuild_sparse_tensor makes a sparse tensor: not supported"},
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
      {"a storage key with a NUL",
       [](auto& b) { b.tensor(std::string_view("0\0", 2), 2, {2}, {1}); },
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
      {"a parameter without data",
       [](auto& b) { rebuild(b, "_rebuild_parameter").tuple().reduce(); }, "without a tensor"},
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
         b.tensor("0", 2, {(1 << 27) + 1, 2}, {0, 1});
       },
       "take 1073741832 bytes, more than the 1073741824 that", ErrorCode::kLimit},
      {"expanded without end",
       [](auto& b) {
         b.tensor("0", 2, {kMax / 16, 1}, {0, 1});
       },
       "bytes, more than the 1073741824 that", ErrorCode::kLimit},
  };
}

std::vector<BadValue> bad_trees() {
  return {
      {"a key twice", [](PickleBuilder& t) { t.weight("w").weight("w"); },
       "two tensors are called 'w'"},
      {"joined names that collide",
       [](PickleBuilder& t) { t.weight("a.b").open("a").weight("b").close(); },
       "two tensors are called 'a.b'"},
      {"a number and its text",
       [](PickleBuilder& t) { t.weight("1").integer(1).tensor("0", 2, {2}, {1}).set_item(); },
       "two tensors are called '1'"},
      {"an empty name", [](PickleBuilder& t) { t.weight(""); }, "empty name"},
      {"a name with NUL", [](PickleBuilder& t) { t.weight(std::string_view("a\0b", 3)); },
       "'a\\x00b' is not UTF-8 without NUL"},
      {"a name that is not UTF-8", [](PickleBuilder& t) { t.weight("a\xFF"); }, "not UTF-8"},
      {"a name with a surrogate", [](PickleBuilder& t) { t.weight("\xED\xA0\x80"); }, "not UTF-8"},
      {"a name of 4,097 bytes", [](PickleBuilder& t) { t.weight(std::string(4097, 'n')); },
       "no name of 1 to 4096 bytes"},
      {"joined names of 4,097 bytes",
       [](PickleBuilder& t) {
         t.weight("w").open(std::string(4000, 'n')).weight(std::string(96, 'm')).close();
       },
       "no name of 1 to 4096 bytes"},
      {"a tuple as key",
       [](PickleBuilder& t) {
         t.weight("w").numbers({1, 2}).tensor("0", 2, {2}, {1}).set_item();
       },
       "'<tuple>' holds a tensor"},
      {"None as key",
       [](PickleBuilder& t) { t.weight("w").none().tensor("0", 2, {2}, {1}).set_item(); },
       "'<None>' holds a tensor"},
      {"a tensor in a set",
       [](PickleBuilder& t) {
         t.weight("w").key("s").empty_set().mark().tensor("0", 2, {2}, {1}).add_items().set_item();
       },
       "'s' is made by set"},
      {"a dictionary in itself",
       [](PickleBuilder& t) {
         t.weight("w").open("d").put(8).string("again").get(8).set_item().set_item();
       },
       "'d.again' contains itself"},
      {"lists in lists, 300,000 deep", in_depth("]", "a"), "is nested more than 256 deep",
       ErrorCode::kLimit},
      {"tuples in tuples, 300,000 deep", in_depth("", "\x85"), "is nested more than 256 deep",
       ErrorCode::kLimit},
      {"dictionaries in dictionaries, 300,000 deep", in_depth("}X\1\0\0\0k"sv, "s"),
       "is nested more than 256 deep", ErrorCode::kLimit},
      {"no tensors", [](PickleBuilder& t) { t.key("epoch").integer(1).set_item(); },
       "holds no tensors"},
      {"an unknown object that holds tensors, outside the root",
       [](PickleBuilder& t) {
         t.open("model")
             .weight("w")
             .close()
             .key("other")
             .global("m", "C")
             .empty_tuple()
             .new_object();
         t.tensor("0", 2, {2}, {1}).build().set_item();
       },
       "'other' is made by m.C"},
      {"a storage with a bad size outside its bounds",
       [](PickleBuilder& t) { t.key("x").tensor("0", 2, {9}, {1}).set_item(); },
       "tensor 'x': it reaches"},
  };
}

}  // namespace wpack::refusals
