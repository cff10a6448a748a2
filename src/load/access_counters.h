// What AccessStats reports, counted from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace wpack::load {

struct AccessCounters {
  std::atomic<std::uint64_t> read_bytes{0};
  std::atomic<std::uint64_t> verified_bytes{0};
  std::atomic<std::uint64_t> prefetched_bytes{0};
  std::atomic<std::uint64_t> layer_hits{0};
  std::atomic<std::uint64_t> layer_misses{0};
};

}  // namespace wpack::load
