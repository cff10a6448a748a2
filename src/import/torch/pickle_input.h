// The bytes of a pickle, read from front to back: opcodes and their operands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/little_endian.h"
#include "import/torch/pickle_opcodes.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

// Every length is compared with what remains before it is used. Errors: kBadInput.
class PickleInput {
 public:
  static constexpr std::size_t kMaxLineSize = 1024;  // of a module or a name

  explicit PickleInput(Bytes bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] std::size_t offset() const noexcept { return at_; }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size() - at_; }
  // The next opcode; something must remain.
  [[nodiscard]] Opcode peek() const noexcept { return static_cast<Opcode>(bytes_[at_]); }
  void skip_opcode() noexcept { ++at_; }

  [[nodiscard]] Result<Bytes> take(std::uint64_t size);
  // A little-endian number of the size of T.
  template <typename T>
  [[nodiscard]] Result<std::uint64_t> take_number() {
    WPACK_ASSIGN(const Bytes operand, take(sizeof(T)));
    return std::uint64_t{base::load_le<T>(operand.data())};
  }
  // Text whose length is `size`, or that error. A view into the pickle.
  [[nodiscard]] Result<std::string_view> take_text(Result<std::uint64_t> size);
  // Text up to the next line feed.
  [[nodiscard]] Result<std::string_view> take_line();

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
};

}  // namespace wpack::import
