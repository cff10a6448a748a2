// Which layers were used, and in which order they were first.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class FirstUses {
 public:
  explicit FirstUses(std::uint32_t layer_count)
      : layer_count_(layer_count), ranks_(new std::atomic<std::uint32_t>[layer_count] {}) {}

  // A number that no layer has, which only a changed index holds, is not noted.
  void note(std::uint32_t layer) noexcept;

  // Returns the layers in the order of their first use.
  [[nodiscard]] std::vector<std::uint32_t> in_order() const;

 private:
  const std::uint32_t layer_count_;
  std::atomic<std::uint32_t> used_{0};
  const std::unique_ptr<std::atomic<std::uint32_t>[]> ranks_;  // from 1 on; 0: not used
};

}  // namespace wpack::load
