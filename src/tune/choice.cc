#include "tune/choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

namespace wpack {

std::string_view to_string(TuneOutcome outcome) noexcept {
  switch (outcome) {
    case TuneOutcome::kNotMeasured:
      return "not measured";
    case TuneOutcome::kTooFewRounds:
      return "too few rounds";
    case TuneOutcome::kNoise:
      return "noise";
    case TuneOutcome::kDefault:
      return "default";
    case TuneOutcome::kTuned:
      return "tuned";
  }
  return "unknown";
}

namespace tuning {
namespace {

// What falls behind this share of the best rate in its best round is not going to be chosen.
constexpr double kHopelessShare = 0.8;

using Quantity = double ReadSample::*;

std::vector<double> ascending(const std::vector<ReadSample>& rounds, Quantity quantity) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const ReadSample& round : rounds) values.push_back(round.*quantity);
  std::ranges::sort(values);
  return values;
}

// Of the middle half of the rounds: one that something else disturbed is no reason to see noise.
struct Spread {
  double least;
  double most;
};
Spread spread_of(const MeasuredShape& measured, Quantity quantity) {
  const std::vector<double> values = ascending(measured.rounds, quantity);
  const std::size_t left_out = values.size() / 4;
  return {values[left_out], values[values.size() - 1 - left_out]};
}

double median(const std::vector<ReadSample>& rounds, Quantity quantity) {
  const std::vector<double> values = ascending(rounds, quantity);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool is_faster(const MeasuredShape& one, const MeasuredShape& other) {
  constexpr Quantity kRate = &ReadSample::bytes_per_second;
  return one.bytes_per_second * (1 - kTolerance) > other.bytes_per_second &&
         spread_of(one, kRate).least > spread_of(other, kRate).most;
}

bool is_cheaper(const MeasuredShape& one, const MeasuredShape& other) {
  constexpr Quantity kCost = &ReadSample::cpu_seconds_per_byte;
  return one.cpu_seconds_per_byte < other.cpu_seconds_per_byte * (1 - kTolerance) &&
         spread_of(one, kCost).most < spread_of(other, kCost).least;
}

bool is_fast_enough(const MeasuredShape& measured, double best_rate) {
  return measured.bytes_per_second >= best_rate * (1 - kTolerance);
}

// The one that choose() takes where noise is no matter; `measured` is not empty.
const MeasuredShape& first_of(std::span<const MeasuredShape* const> measured) {
  double best_rate = 0;
  for (const MeasuredShape* shape : measured)
    best_rate = std::max(best_rate, shape->bytes_per_second);
  std::vector<const MeasuredShape*> fast;
  for (const MeasuredShape* shape : measured)
    if (is_fast_enough(*shape, best_rate)) fast.push_back(shape);
  const MeasuredShape& cheapest =
      **std::ranges::min_element(fast, {}, &MeasuredShape::cpu_seconds_per_byte);
  const double cost_limit = cheapest.cpu_seconds_per_byte * (1 + kTolerance);
  std::erase_if(
      fast, [&](const MeasuredShape* shape) { return shape->cpu_seconds_per_byte > cost_limit; });
  return **std::ranges::min_element(fast, {}, [](const MeasuredShape* shape) {
    return std::tuple(shape->shape.depth, shape->shape.block_size, shape->cpu_seconds_per_byte);
  });
}

std::string numbers_of(const MeasuredShape& measured) {
  return fmt::format("{:.2f} GB/s at {:.3f} CPU s/GB", measured.bytes_per_second / 1e9,
                     measured.cpu_seconds_per_byte * 1e9);
}

TuneChoice weigh(const MeasuredShape& first, const MeasuredShape& standard) {
  if (first.shape == standard.shape) {
    return {TuneOutcome::kDefault, standard.shape,
            fmt::format("the default is the cheapest within {:.0f} % of the best rate: {}",
                        100 * kTolerance, numbers_of(standard))};
  }
  if (standard.rounds.size() < kFewestRounds || first.rounds.size() < kFewestRounds) {
    return {TuneOutcome::kTooFewRounds, standard.shape,
            fmt::format("the default stays: {} rounds are too few to tell noise from a difference",
                        std::min(first.rounds.size(), standard.rounds.size()))};
  }
  if (!is_faster(first, standard) && !is_cheaper(first, standard)) {
    return {TuneOutcome::kNoise, standard.shape,
            fmt::format("the default stays: {}, and the best alternative ({}) does not differ by "
                        "more than rounds differ from each other",
                        numbers_of(standard), numbers_of(first))};
  }
  return {TuneOutcome::kTuned, first.shape,
          fmt::format("{}, and the default {}", numbers_of(first), numbers_of(standard))};
}

}  // namespace

void add_round(MeasuredShape& measured, const ReadSample& sample) {
  measured.rounds.push_back(sample);
  measured.bytes_per_second = median(measured.rounds, &ReadSample::bytes_per_second);
  measured.cpu_seconds_per_byte = median(measured.rounds, &ReadSample::cpu_seconds_per_byte);
}

TuneChoice choose(std::span<const MeasuredShape> measured, const ReadShape& standard) {
  std::vector<const MeasuredShape*> taking_part;
  const MeasuredShape* of_standard = nullptr;
  for (const MeasuredShape& shape : measured) {
    if (shape.rounds.empty()) continue;
    taking_part.push_back(&shape);
    if (shape.shape == standard) of_standard = &shape;
  }
  if (taking_part.empty()) return {.shape = std::nullopt, .reason = "nothing was measured"};
  const MeasuredShape& first = first_of(taking_part);
  if (of_standard != nullptr) return weigh(first, *of_standard);
  if (first.rounds.size() < kFewestRounds) {
    return {TuneOutcome::kTooFewRounds, standard,
            fmt::format("the default stays: {} rounds are too few to tell", first.rounds.size())};
  }
  return {TuneOutcome::kTuned, first.shape,
          fmt::format("{}; the default could not be measured", numbers_of(first))};
}

bool deserves_another_round(const MeasuredShape& measured, double best_rate) {
  return measured.rounds.size() < kFewestRounds ||
         ascending(measured.rounds, &ReadSample::bytes_per_second).back() >=
             best_rate * kHopelessShare;
}

double best_rate_of(std::span<const MeasuredShape> measured) {
  double best = 0;
  for (const MeasuredShape& shape : measured) best = std::max(best, shape.bytes_per_second);
  return best;
}

}  // namespace tuning
}  // namespace wpack
