// Choosing out of measured ways of reading: pure functions of numbers.
#pragma once

#include <span>

#include "wpack/tune.h"

namespace wpack::tuning {

// Rates of which one is less than this share below the other count as the same; costs, too.
inline constexpr double kTolerance = 0.05;
// With fewer, nothing can be said of how much rounds differ.
inline constexpr std::size_t kFewestRounds = 3;

// Adds a sample, and sets the medians anew.
void add_round(MeasuredShape& measured, const ReadSample& sample);

// Chooses the cheapest shape whose rate is within kTolerance of the best: the fewest CPU seconds a
// byte; of those that cost the same, the fewest requests in flight, then the smallest memory. But
// `standard` stays, if it was measured, unless that one is better beyond noise: more than
// kTolerance faster, or cheaper, and the middle halves of their rounds do not overlap in that.
[[nodiscard]] TuneChoice choose(std::span<const MeasuredShape> measured, const ReadShape& standard);

// True if another round could still tell something of `measured`; `best_rate` is the best median
// of all so far.
[[nodiscard]] bool deserves_another_round(const MeasuredShape& measured, double best_rate);

// The best median rate, 0 for none.
[[nodiscard]] double best_rate_of(std::span<const MeasuredShape> measured);

}  // namespace wpack::tuning
