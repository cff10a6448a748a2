// Which ways of reading are worth measuring on a host: a pure function of facts.
#pragma once

#include <cstdint>
#include <vector>

#include "wpack/explain.h"
#include "wpack/host.h"
#include "wpack/read_profile.h"

namespace wpack::tuning {

// A file with less to read than this says little of its disk.
inline constexpr std::uint64_t kSmallestFile = std::uint64_t{64} << 20;

// One kind of reading: the shapes to measure, of which `standard` is the one that wpack takes
// without a profile. Without shapes, it is not measured.
struct ShapesOf {
  ReadShape standard = {};
  std::vector<ReadShape> shapes = {};
};

struct ShapePlan {
  ShapesOf direct;
  ShapesOf buffered;
  std::vector<Refusal> skipped = {};  // what will not be measured, and why
};

// Never fails: where nothing can be measured, `skipped` says why.
[[nodiscard]] ShapePlan plan_shapes(const HostFacts& host, const FileFacts& file);

}  // namespace wpack::tuning
