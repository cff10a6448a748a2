#include "import/torch/metadata_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/utf8.h"

namespace wpack::import {
namespace {

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  char text[32];
  const auto end = std::to_chars(std::begin(text), std::end(text), value).ptr;
  return {text, end};
}

MetadataEntry entry(MetadataType type, std::string value) {
  return {
      .key = {}, .value = std::move(value), .type = type, .origin = MetadataOrigin::kCheckpoint};
}

// Divides the number (most significant limb first) by 10^9 and returns the remainder.
std::uint32_t divide_by_billion(std::vector<std::uint32_t>& limbs) {
  constexpr std::uint64_t kBillion = 1'000'000'000;
  std::uint64_t remainder = 0;
  for (std::uint32_t& limb : limbs) {
    const std::uint64_t value = (remainder << 32U) | limb;
    limb = static_cast<std::uint32_t>(value / kBillion);
    remainder = value % kBillion;
  }
  return static_cast<std::uint32_t>(remainder);
}

// The magnitude of a two's complement number, most significant limb first.
std::vector<std::uint32_t> magnitude(std::string_view digits, bool negative) {
  std::vector<std::uint32_t> limbs(digits.size() / 4 + 1, negative ? 0xFFFFFFFFU : 0U);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    std::uint32_t& limb = limbs[limbs.size() - 1 - i / 4];
    const unsigned shift = 8U * static_cast<unsigned>(i % 4);
    limb &= ~(0xFFU << shift);
    limb |= std::uint32_t{static_cast<unsigned char>(digits[i])} << shift;
  }
  bool carry = negative;
  for (std::size_t i = limbs.size(); negative && i-- > 0;) {
    limbs[i] = ~limbs[i] + (carry ? 1U : 0U);
    carry = carry && limbs[i] == 0;
  }
  return limbs;
}

}  // namespace

std::string decimal_text(std::string_view digits) {
  const bool negative = !digits.empty() && (static_cast<unsigned char>(digits.back()) & 0x80U) != 0;
  std::vector<std::uint32_t> limbs = magnitude(digits, negative);
  std::vector<std::uint32_t> groups;  // of nine decimal digits, least significant first
  while (std::ranges::any_of(limbs, [](std::uint32_t limb) { return limb != 0; }))
    groups.push_back(divide_by_billion(limbs));
  if (groups.empty()) return "0";
  std::string text = fmt::format("{}{}", negative ? "-" : "", groups.back());
  for (std::size_t i = groups.size() - 1; i-- > 0;) text += fmt::format("{:09}", groups[i]);
  return text;
}

std::optional<MetadataEntry> to_metadata(const PickleTree& tree, NodeId id) {
  switch (tree.kind(id)) {
    case NodeKind::kNone:
      return entry(MetadataType::kNone, {});
    case NodeKind::kBool:
      return entry(MetadataType::kBool, tree.boolean(id) ? "true" : "false");
    case NodeKind::kInteger:
      return entry(MetadataType::kInteger, fmt::format("{}", tree.integer(id)));
    case NodeKind::kBigInteger:
      return entry(MetadataType::kInteger, decimal_text(tree.text(id)));
    case NodeKind::kFloat:
      return entry(MetadataType::kFloat, float_text(tree.floating(id)));
    case NodeKind::kString:
      if (!base::is_utf8(tree.text(id))) return std::nullopt;
      return entry(MetadataType::kString, std::string(tree.text(id)));
    default:
      return std::nullopt;
  }
}

}  // namespace wpack::import
