#include "bench_statistics.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace wpack::cli {
namespace {

constexpr std::size_t kResamples = 10'000;
constexpr std::uint64_t kSeed = 0x77'70'61'63'6B;

// Sorts `values`, which are not empty.
double median_of(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The standard leaves open how its distributions draw; this draws the same everywhere. The bias of
// the remainder is below 2^-50 for as few values as runs give.
std::size_t draw(std::mt19937_64& generator, std::size_t count) {
  return static_cast<std::size_t>(generator() % count);
}

Verdict verdict_of(const Interval& interval, std::size_t count) {
  if (count < kFewestPairs) return Verdict::kTooFew;
  if (interval.low > 1) return Verdict::kAhead;
  return interval.high < 1 ? Verdict::kBehind : Verdict::kTied;
}

}  // namespace

std::optional<Spread> spread_of(std::span<const double> values) {
  if (values.empty()) return std::nullopt;
  std::vector<double> sorted(values.begin(), values.end());
  const double median = median_of(sorted);
  return Spread{.median = median, .low = sorted.front(), .high = sorted.back()};
}

Interval bootstrap_interval(std::span<const double> values) {
  if (values.empty()) return {};
  // Seeded with a constant so that the same runs always give the same interval.
  std::mt19937_64 generator(kSeed);  // NOLINT(cert-msc51-cpp,bugprone-random-generator-seed)
  std::vector<double> medians(kResamples);
  std::vector<double> sample(values.size());
  for (double& median : medians) {
    for (double& value : sample) value = values[draw(generator, values.size())];
    median = median_of(sample);
  }
  std::sort(medians.begin(), medians.end());
  constexpr std::size_t kTail = kResamples / 40;  // 2.5 %
  return {.low = medians[kTail], .high = medians[kResamples - 1 - kTail]};
}

std::optional<Comparison> compare_ratios(std::span<const double> ratios) {
  const auto ratio = spread_of(ratios);
  if (!ratio) return std::nullopt;
  const Interval interval = bootstrap_interval(ratios);
  return Comparison{
      .ratio = *ratio, .interval = interval, .verdict = verdict_of(interval, ratios.size())};
}

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kAhead:
      return "ahead";
    case Verdict::kBehind:
      return "behind";
    case Verdict::kTied:
      return "tied";
    case Verdict::kTooFew:
      break;
  }
  return "too few runs";
}

}  // namespace wpack::cli
