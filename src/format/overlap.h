// How many bytes the checksums of a container's tensors cover: more than the payload where tensors
// share bytes in part, as views of one storage do (SPEC section 8).
#pragma once

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "base/checked_math.h"
#include "format/limits.h"

namespace wpack::format {

// Where the bytes of a tensor lie: in whose, at what offset, and how many. Not empty.
using TensorPlace = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;

// Counts tensors that come in ascending order of their places; those of one place are hashed once.
class OverlapCount {
 public:
  void add_payload(std::uint64_t bytes) noexcept { payload_ = sum(payload_, bytes); }
  void add(const TensorPlace& place) noexcept {
    if (place != last_) hashed_ = sum(hashed_, std::get<2>(place));
    last_ = place;
  }

  [[nodiscard]] std::uint64_t hashed() const noexcept { return hashed_; }
  [[nodiscard]] std::uint64_t limit() const noexcept {
    const auto most = base::checked_mul(payload_, kMaxOverlap);
    return std::max(kMinHashed, most.value_or(kUnlimited));
  }
  [[nodiscard]] bool exceeded() const noexcept { return hashed_ > limit(); }

 private:
  static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
  static std::uint64_t sum(std::uint64_t a, std::uint64_t b) noexcept {
    return base::checked_add(a, b).value_or(kUnlimited);
  }

  std::uint64_t payload_ = 0;
  std::uint64_t hashed_ = 0;
  TensorPlace last_;
};

}  // namespace wpack::format
