// The rules of a rule file, and what each says of a tensor. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"
#include "wpack/tensor_slice.h"
#include "wpack/types.h"

namespace wpack {

namespace parallel {

// A run of the dimension that is split by itself.
struct Segment {
  std::uint64_t share = 1;  // its length is that of the dimension * share / sum of the shares
  std::uint64_t heads = 0;  // 0: it may be cut between any two elements
};

struct Rule {
  std::vector<std::string> globs;
  std::uint32_t dim = 0;
  std::vector<Segment> segments;  // one at least
};

// Returns the part of a tensor that `rule` gives to rank `rank` < `size`. Errors: kInvalidArgument.
[[nodiscard]] Result<TensorPart> apply_rule(const Rule& rule, Shape shape, std::uint32_t rank,
                                            std::uint32_t size);

// Parses a rule file, and the model's configuration if it is not empty: wpack/tensor_parallel.h.
// Errors: kBadInput, kLimit.
[[nodiscard]] Result<std::vector<Rule>> parse_rules(std::string_view text,
                                                    std::string_view model_config);

}  // namespace parallel

struct TensorParallelRuleList {
  std::vector<parallel::Rule> rules;
};

}  // namespace wpack
