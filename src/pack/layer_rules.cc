#include "pack/layer_rules.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace wpack::packing {
namespace {

constexpr std::array<std::string_view, 7> kBlockPatterns = {
    "**.layers.N", "**.layer.N",     "**.h.N",      "**.blocks.N",
    "**.block.N",  "**.resblocks.N", "**.stages.N",
};

std::string_view up_to(std::string_view name, std::string_view last_segment) {
  return name.substr(
      0, static_cast<std::size_t>(last_segment.data() + last_segment.size() - name.data()));
}

std::string_view module_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(
      words, [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

}  // namespace

Result<LayerRules> LayerRules::create(const std::vector<std::string>& user_patterns) {
  std::vector<LayerPattern> patterns;
  for (const std::string& text : user_patterns) {
    WPACK_ASSIGN(LayerPattern pattern, LayerPattern::parse(text));
    patterns.push_back(std::move(pattern));
  }
  if (!patterns.empty()) return LayerRules(std::move(patterns), false);
  for (const std::string_view text : kBlockPatterns) {
    WPACK_ASSIGN(LayerPattern pattern, LayerPattern::parse(text));
    patterns.push_back(std::move(pattern));
  }
  return LayerRules(std::move(patterns), true);
}

std::string_view LayerRules::layer_of(std::string_view name) const {
  for (const LayerPattern& pattern : patterns_) {
    if (const auto match = pattern.match(name)) return *match;
  }
  if (!built_in_) return module_of(name);
  const std::vector<std::string_view> segments = split_segments(name);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    if (is_number(segments[i]) || segments[i] == "embeddings") return up_to(name, segments[i]);
  }
  return module_of(name);
}

LayerStage stage_of_layer(std::string_view layer) noexcept {
  const std::size_t dot = layer.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? layer : layer.substr(dot + 1);
  if (contains_any(last, {"embed", "wte", "wpe", "cls_token", "class_token"}))
    return LayerStage::kInput;
  if (contains_any(last, {"head", "classifier", "pooler", "score", "fc", "proj_out", "output"}))
    return LayerStage::kHead;
  if (is_number(last)) return LayerStage::kBlocks;
  if (contains_any(last, {"norm", "ln_"})) return LayerStage::kNorm;
  return LayerStage::kBlocks;
}

}  // namespace wpack::packing
