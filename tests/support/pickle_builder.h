// Pickles for tests, opcode by opcode.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wpack::testing {

// Each function appends one opcode (or the few that a value takes) and returns the builder.
class PickleBuilder {
 public:
  explicit PickleBuilder(int protocol = 2) { raw("\x80").byte(protocol); }

  PickleBuilder& raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  PickleBuilder& byte(int value) {
    out_.push_back(static_cast<char>(value));
    return *this;
  }
  PickleBuilder& number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) byte(static_cast<int>((value >> (8 * i)) & 0xFF));
    return *this;
  }

  PickleBuilder& none() { return raw("N"); }
  PickleBuilder& boolean(bool value) { return byte(value ? 0x88 : 0x89); }
  PickleBuilder& integer(std::int64_t value) {
    return byte(0x8A).byte(8).number(static_cast<std::uint64_t>(value), 8);
  }
  PickleBuilder& floating(double value) {
    return raw("G").number(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)), 8);
  }
  PickleBuilder& string(std::string_view text) { return raw("X").number(text.size(), 4).raw(text); }
  PickleBuilder& bytes(std::string_view text) { return raw("B").number(text.size(), 4).raw(text); }

  PickleBuilder& mark() { return raw("("); }
  PickleBuilder& tuple() { return raw("t"); }
  PickleBuilder& tuple1() { return byte(0x85); }
  PickleBuilder& tuple2() { return byte(0x86); }
  PickleBuilder& empty_tuple() { return raw(")"); }
  PickleBuilder& empty_list() { return raw("]"); }
  PickleBuilder& empty_dict() { return raw("}"); }
  PickleBuilder& empty_set() { return byte(0x8F); }
  PickleBuilder& append() { return raw("a"); }
  PickleBuilder& appends() { return raw("e"); }
  PickleBuilder& set_item() { return raw("s"); }
  PickleBuilder& set_items() { return raw("u"); }
  PickleBuilder& add_items() { return byte(0x90); }
  PickleBuilder& put(int index) { return raw("q").byte(index); }
  PickleBuilder& get(int index) { return raw("h").byte(index); }

  PickleBuilder& global(std::string_view module, std::string_view name) {
    return raw("c").raw(module).raw("\n").raw(name).raw("\n");
  }
  PickleBuilder& stack_global(std::string_view module, std::string_view name) {
    return string(module).string(name).byte(0x93);
  }
  PickleBuilder& reduce() { return raw("R"); }
  PickleBuilder& new_object() { return byte(0x81); }
  PickleBuilder& build() { return raw("b"); }
  PickleBuilder& persistent() { return raw("Q"); }

  // OrderedDict(), as the hooks of every tensor.
  PickleBuilder& ordered_dict() {
    return global("collections", "OrderedDict").empty_tuple().reduce();
  }
  PickleBuilder& numbers(const std::vector<std::int64_t>& values) {
    mark();
    for (const std::int64_t value : values) integer(value);
    return tuple();
  }
  PickleBuilder& storage(std::string_view type, std::string_view key, std::int64_t count,
                         std::string_view module = "torch") {
    return mark()
        .string("storage")
        .global(module, type)
        .string(key)
        .string("cpu")
        .integer(count)
        .tuple()
        .persistent();
  }
  // _rebuild_tensor_v2 of a storage with `count` elements.
  PickleBuilder& tensor(std::string_view key, std::int64_t count,
                        const std::vector<std::int64_t>& size,
                        const std::vector<std::int64_t>& stride, std::int64_t offset = 0,
                        std::string_view type = "FloatStorage") {
    return global("torch._utils", "_rebuild_tensor_v2")
        .mark()
        .storage(type, key, count)
        .integer(offset)
        .numbers(size)
        .numbers(stride)
        .boolean(false)
        .ordered_dict()
        .tuple()
        .reduce();
  }
  // _rebuild_tensor_v3 of an untyped storage with `size_bytes` bytes.
  PickleBuilder& tensor_v3(std::string_view key, std::int64_t size_bytes, std::string_view dtype,
                           const std::vector<std::int64_t>& size,
                           const std::vector<std::int64_t>& stride, std::int64_t offset = 0) {
    return global("torch._utils", "_rebuild_tensor_v3")
        .mark()
        .storage("UntypedStorage", key, size_bytes, "torch.storage")
        .integer(offset)
        .numbers(size)
        .numbers(stride)
        .boolean(false)
        .ordered_dict()
        .global("torch", dtype)
        .tuple()
        .reduce();
  }

  // Items of the dictionary on the stack: a key whose value follows up to close(), a dictionary up
  // to close(), and a float32 tensor of shape [2] over storage "0" of 8 bytes.
  PickleBuilder& key(std::string_view name) { return string(name); }
  PickleBuilder& open(std::string_view name) { return string(name).empty_dict(); }
  PickleBuilder& close() { return set_item(); }
  PickleBuilder& weight(std::string_view name) {
    return string(name).tensor("0", 2, {2}, {1}).set_item();
  }

  // The pickle up to here, ended by STOP.
  [[nodiscard]] std::string stop() const { return out_ + "."; }
  [[nodiscard]] const std::string& unfinished() const { return out_; }

 private:
  std::string out_;
};

}  // namespace wpack::testing
