// Rows that lie in index bytes, read by value. Every access is bounds-checked and gives an empty
// row past the end: a large index is used straight from its file, which somebody may overwrite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "wpack/types.h"

namespace wpack::format {

template <typename Row>
class RowView {
  static_assert(std::is_trivially_copyable_v<Row>);

 public:
  RowView() = default;
  // `bytes` holds whole rows and outlives the view.
  explicit RowView(Bytes bytes)
      : data_(bytes.data()), count_(static_cast<std::uint32_t>(bytes.size() / sizeof(Row))) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }

  [[nodiscard]] Row operator[](std::uint32_t row) const noexcept {
    Row value{};
    if (row < count_) std::memcpy(&value, data_ + std::size_t{row} * sizeof(Row), sizeof(Row));
    return value;
  }

 private:
  const std::byte* data_ = nullptr;
  std::uint32_t count_ = 0;
};

}  // namespace wpack::format
