// Patterns over tensor names that say which layer a tensor belongs to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"

namespace wpack::packing {

// A layer pattern: see PackOptions::layer_patterns.
class LayerPattern {
 public:
  // Errors: kInvalidArgument (empty pattern or segment).
  [[nodiscard]] static Result<LayerPattern> parse(std::string_view text);

  // Returns the front of `name` that the pattern matches, whole dotted segments, never empty and
  // never all of the name (the parameter itself is not a layer); the shortest one if `**` leaves a
  // choice.
  [[nodiscard]] std::optional<std::string_view> match(std::string_view name) const;

 private:
  explicit LayerPattern(std::vector<std::string> segments) : segments_(std::move(segments)) {}
  std::vector<std::string> segments_;
};

// Returns the dotted segments of `name`; never empty.
[[nodiscard]] std::vector<std::string_view> split_segments(std::string_view name);

// True if `segment` is a decimal number ("0", "12", "007").
[[nodiscard]] bool is_number(std::string_view segment) noexcept;

}  // namespace wpack::packing
