// Statistics of loading as text for a monitoring system.
#pragma once

#include <string>
#include <string_view>

#include "wpack/access_stats.h"
#include "wpack/export.h"

namespace wpack {

// Returns `stats` in the text format of Prometheus, version 0.0.4: one metric to a statistic, all
// called wpack_..., with the label container="`container`" (any text: it is escaped). Times are in
// seconds, sizes in bytes. Ends with a line feed.
[[nodiscard]] WPACK_EXPORT std::string to_prometheus(const AccessStats& stats,
                                                     std::string_view container);

}  // namespace wpack
