#include "wpack/tensor_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/glob.h"
#include "base/slice_layout.h"
#include "parallel/rule.h"
#include "wpack/text.h"

namespace wpack {
namespace {

const parallel::Rule* find_rule(const std::vector<parallel::Rule>& rules, std::string_view name) {
  const auto found = std::ranges::find_if(rules, [&](const parallel::Rule& rule) {
    return std::ranges::any_of(
        rule.globs, [&](const std::string& glob) { return base::glob_matches(glob, name); });
  });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace

Result<TensorParallelRules> TensorParallelRules::parse(std::string_view text,
                                                       std::string_view model_config) {
  WPACK_ASSIGN(auto rules, parallel::parse_rules(text, model_config));
  return TensorParallelRules(
      std::make_shared<const TensorParallelRuleList>(TensorParallelRuleList{std::move(rules)}));
}

Result<TensorPart> TensorParallelRules::part(std::string_view name, DType dtype, Shape shape,
                                             std::uint32_t rank, std::uint32_t size) const {
  if (size == 0 || size > kMaxSize || rank >= size) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("rank {} of {}: there are 1 to {} ranks, counted from 0", rank, size,
                             kMaxSize));
  }
  const parallel::Rule* rule = find_rule(rules_->rules, name);
  if (rule == nullptr) return TensorPart{};
  const auto label = [&] { return fmt::format("tensor '{}'", escape_name(name)); };
  auto part = parallel::apply_rule(*rule, shape, rank, size);
  if (!part) return std::move(part).error().in(label());
  const DTypeInfo* known = find_dtype(dtype);
  if (known == nullptr) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("{} has element type {}, which this version does not know", label(),
                             static_cast<unsigned>(dtype)));
  }
  if (const auto layout = base::layout_of_slice(*known, shape, *part); !layout)
    return Error(layout.error()).in(label());
  return part;
}

}  // namespace wpack
