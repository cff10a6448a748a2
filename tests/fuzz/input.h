// Decisions and bytes, taken one after the other from an input. Behind its end everything is zero.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace wpack::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  // Less than `limit`, which is 1 to 256.
  std::uint8_t below(unsigned limit) { return static_cast<std::uint8_t>(byte() % limit); }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  bool one_in(unsigned n) { return byte() % n == 1; }
  std::string_view text(std::size_t size) {
    const std::string_view taken = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  // What is left.
  std::string_view rest() { return text(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace wpack::fuzz
