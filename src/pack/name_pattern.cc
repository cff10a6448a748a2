#include "pack/name_pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/glob.h"
#include "wpack/text.h"

namespace wpack::packing {
namespace {

constexpr std::string_view kAnySegments = "**";
constexpr std::string_view kNumberSegment = "N";

bool segment_matches(std::string_view pattern, std::string_view segment) {
  if (pattern == kNumberSegment) return is_number(segment);
  return base::glob_matches(pattern, segment);
}

// Returns how many leading segments of `name` the patterns match, the fewest if there is a choice.
// reachable[i]: the patterns so far can match exactly the first i segments.
std::optional<std::size_t> matched_segments(std::span<const std::string> patterns,
                                            std::span<const std::string_view> name) {
  std::vector<bool> reachable(name.size() + 1, false);
  reachable[0] = true;
  for (const std::string& pattern : patterns) {
    std::vector<bool> next(name.size() + 1, false);
    if (pattern == kAnySegments) {
      bool any = false;
      for (std::size_t i = 0; i <= name.size(); ++i) {
        any = any || reachable[i];
        next[i] = any;
      }
    } else {
      for (std::size_t i = 0; i < name.size(); ++i)
        next[i + 1] = reachable[i] && segment_matches(pattern, name[i]);
    }
    reachable = std::move(next);
  }
  // A name that begins with a dot has an empty front, which names no layer.
  for (std::size_t i = name.front().empty() ? 2 : 1; i < name.size(); ++i) {
    if (reachable[i]) return i;
  }
  return std::nullopt;
}

}  // namespace

Result<LayerPattern> LayerPattern::parse(std::string_view text) {
  std::vector<std::string> segments;
  for (const std::string_view segment : split_segments(text)) {
    if (segment.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("layer pattern '{}' has an empty segment", escape_name(text)));
    }
    segments.emplace_back(segment);
  }
  return LayerPattern(std::move(segments));
}

std::optional<std::string_view> LayerPattern::match(std::string_view name) const {
  const std::vector<std::string_view> segments = split_segments(name);
  const auto count = matched_segments(segments_, segments);
  if (!count) return std::nullopt;
  const std::string_view last = segments[*count - 1];
  return name.substr(0, static_cast<std::size_t>(last.data() + last.size() - name.data()));
}

std::vector<std::string_view> split_segments(std::string_view name) {
  std::vector<std::string_view> segments;
  for (;;) {
    const std::size_t dot = name.find('.');
    segments.push_back(name.substr(0, dot));
    if (dot == std::string_view::npos) return segments;
    name.remove_prefix(dot + 1);
  }
}

bool is_number(std::string_view segment) noexcept {
  return !segment.empty() &&
         std::ranges::all_of(segment, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace wpack::packing
