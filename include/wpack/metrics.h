// Statistics of loading as text, for programs and for a monitoring system.
#pragma once

#include <string>
#include <string_view>

#include "wpack/access_stats.h"
#include "wpack/export.h"
#include "wpack/weight_cache.h"

namespace wpack {

// Returns `stats` as one JSON object: a member to a statistic, by the names of the struct, but for
// times, which are objects of seconds by cause ("stall_seconds", "background_seconds"). What is no
// UTF-8 in a reason is replaced.
[[nodiscard]] WPACK_EXPORT std::string to_json(const AccessStats& stats);
[[nodiscard]] WPACK_EXPORT std::string to_json(const WeightCacheStats& stats);

// Returns `stats` in the text format of Prometheus, version 0.0.4: one metric to a statistic, all
// called wpack_..., with the label container="`container`" (any text: it is escaped). Times are in
// seconds, sizes in bytes. Ends with a line feed.
[[nodiscard]] WPACK_EXPORT std::string to_prometheus(const AccessStats& stats,
                                                     std::string_view container);
// The same for a cache: metrics called wpack_cache_..., with the label cache="`cache`".
[[nodiscard]] WPACK_EXPORT std::string to_prometheus(const WeightCacheStats& stats,
                                                     std::string_view cache);

}  // namespace wpack
