#include "load/thread_plan.h"

#include <algorithm>
#include <cmath>

namespace wpack::load {
namespace {

// What one thread may take to fault in 2^20 bytes and still be ahead of reads of 6 GB/s.
constexpr std::uint64_t kFaultInTime = 170'000;  // nanoseconds

// Processors that this process gets the time of: those of a quota count, begun ones whole.
std::uint32_t processors(const HostFacts& host) noexcept {
  const std::uint32_t usable = host.usable_cpus.value_or(0U);
  if (!host.cpu_quota || !*host.cpu_quota) return usable;
  const double quota = std::ceil(std::max(**host.cpu_quota, 1.0));
  return quota < usable ? static_cast<std::uint32_t>(quota) : usable;
}

}  // namespace

std::uint32_t read_in_threads(const HostFacts& host) noexcept {
  return std::clamp(processors(host), 2U, 4U);
}

// Pools ask for huge pages, which the kernel grants unless it was told never to. Faulting memory in
// came to the kernel with reading mappings in.
FirstTouchPlan plan_first_touch(const HostFacts& host, const FileFacts& file,
                                const std::optional<ReadProfile>& profile) {
  FirstTouchPlan plan;
  if (host.reads_mappings_in.value_or(true)) plan.threads = read_in_threads(host) - 1;
  if (!profile || !matches(*profile, host, file)) return plan;
  const bool small = host.transparent_huge_pages && *host.transparent_huge_pages == "never";
  plan.cost = small ? profile->first_touch.small_pages : profile->first_touch.huge_pages;
  if (!plan.cost) return plan;
  const std::uint64_t in_time = (*plan.cost + kFaultInTime - 1) / kFaultInTime;
  plan.threads = static_cast<std::uint32_t>(std::min<std::uint64_t>(in_time, plan.threads));
  return plan;
}

}  // namespace wpack::load
