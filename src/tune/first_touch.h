// What fresh private memory costs.
#pragma once

#include "tune/sample.h"
#include "wpack/error.h"
#include "wpack/read_profile.h"

namespace wpack::tuning {

// Writes one byte of every page of fresh memory, of small pages and of huge ones in turn, and
// returns the medians; fewer rounds, or none, if `until` comes first. Errors: kLimit (no memory).
[[nodiscard]] Result<FirstTouch> measure_first_touch(Clock::time_point until);

}  // namespace wpack::tuning
