// How many threads work at memory: pure functions of facts.
#pragma once

#include <cstdint>
#include <optional>

#include "wpack/host.h"
#include "wpack/read_profile.h"

namespace wpack::load {

// How many threads bring mapped bytes in. Each maps the pages that it has brought in, which is work
// for a processor; a second one pays even so, as it reads while the first one maps
// (format/decisions/0008).
[[nodiscard]] std::uint32_t read_in_threads(const HostFacts& host) noexcept;

// What the first touch of the host's fresh memory costs, by a profile of this place, and how many
// threads fault such memory in ahead of the one that fills it: where that is known, no more than it
// takes to clear memory faster than it is filled (format/decisions/0010).
struct FirstTouchPlan {
  std::uint32_t threads = 0;
  std::optional<std::uint64_t> cost = std::nullopt;  // nanoseconds for each 2^20 bytes
};
[[nodiscard]] FirstTouchPlan plan_first_touch(const HostFacts& host, const FileFacts& file,
                                              const std::optional<ReadProfile>& profile);

}  // namespace wpack::load
