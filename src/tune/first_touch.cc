#include "tune/first_touch.h"

#include <algorithm>
#include <vector>

#include "base/align.h"
#include "os/anonymous_memory.h"
#include "os/page_size.h"

namespace wpack::tuning {
namespace {

using base::kMebibyte;

constexpr std::uint64_t kSize = 32 * kMebibyte;
constexpr int kRounds = 7;
constexpr std::uint64_t kMostNanoseconds = 1'000'000'000;  // as profiles have it

// Nanoseconds for each mebibyte.
Result<std::uint64_t> touch(Result<MutableBytes> (*map)(std::uint64_t size)) {
  WPACK_ASSIGN(const MutableBytes memory, map(kSize));
  const Clock::time_point start = Clock::now();
  for (std::uint64_t i = 0; i < memory.size(); i += os::system_page_size()) {
    volatile std::byte& page = memory[i];
    page = std::byte{1};
  }
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  os::unmap_anonymous(memory);
  const auto each = static_cast<std::uint64_t>(took.count()) / (kSize / kMebibyte);
  return std::clamp(each, std::uint64_t{1}, kMostNanoseconds);
}

std::optional<std::uint64_t> median_nanoseconds(std::vector<std::uint64_t> values) {
  if (values.empty()) return std::nullopt;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

Result<FirstTouch> measure_first_touch(Clock::time_point until) {
  std::vector<std::uint64_t> small;
  std::vector<std::uint64_t> huge;
  for (int round = 0; round < kRounds && Clock::now() < until; ++round) {
    const auto add = [](std::vector<std::uint64_t>& values, auto* map) -> Status {
      WPACK_ASSIGN(const std::uint64_t nanoseconds, touch(map));
      values.push_back(nanoseconds);
      return {};
    };
    WPACK_TRY(add(round % 2 == 0 ? small : huge,
                  round % 2 == 0 ? os::map_small_pages : os::map_anonymous));
    WPACK_TRY(add(round % 2 == 0 ? huge : small,
                  round % 2 == 0 ? os::map_anonymous : os::map_small_pages));
  }
  return FirstTouch{.small_pages = median_nanoseconds(std::move(small)),
                    .huge_pages = median_nanoseconds(std::move(huge))};
}

}  // namespace wpack::tuning
