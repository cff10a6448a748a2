// What runs say together: medians, spreads, and whether one contestant is ahead of another.
//
// Pure functions of their arguments, the same on every machine; nothing here fails. Thread-safe.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace wpack::cli {

// The smallest number of pairs whose 95 % interval can exclude 1 by more than chance: with five,
// all pairs fall on one side in 1 of 16 cases where there is no difference.
inline constexpr std::size_t kFewestPairs = 6;

struct Spread {
  double median = 0;
  double low = 0;   // smallest
  double high = 0;  // largest
};

struct Interval {
  double low = 0;
  double high = 0;
};

enum class Verdict {
  kAhead,   // the whole interval lies above 1
  kBehind,  // the whole interval lies below 1
  kTied,    // the interval holds 1
  kTooFew,  // fewer than kFewestPairs pairs
};

// Returns the median, smallest and largest of `values` (the median of an even number is the mean of
// the middle two); nullopt of none.
[[nodiscard]] std::optional<Spread> spread_of(std::span<const double> values);

// Returns the 95 % interval of the median of `values`: the 2.5 and 97.5 percentiles of the medians
// of 10,000 samples drawn from them with replacement, always the same draws. {0, 0} of none.
[[nodiscard]] Interval bootstrap_interval(std::span<const double> values);

// How often one contestant's time goes into another's, pair by pair.
struct Comparison {
  Spread ratio;
  Interval interval;  // of the median ratio, 95 %
  Verdict verdict = Verdict::kTooFew;
};

// Returns what `ratios` (theirs divided by ours, of the same round) say of us; nullopt of none.
[[nodiscard]] std::optional<Comparison> compare_ratios(std::span<const double> ratios);

// "ahead", "behind", "tied", "too few runs".
[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

}  // namespace wpack::cli
