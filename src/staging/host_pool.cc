#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>

#include "base/align.h"
#include "os/anonymous_memory.h"
#include "os/page_size.h"
#include "os/process.h"
#include "wpack/buffer_pool.h"

namespace wpack {
namespace {

// Memory from the system, and what it is made of.
struct Region {
  MutableBytes bytes;
  os::PageKind kind = os::PageKind::kSmall;
  std::uint64_t wanted = 0;  // of a region that is in use: bytes from the front
};

class HostPool final : public BufferPool {
 public:
  explicit HostPool(const HostPoolOptions& options) : options_(options) {}
  HostPool(const HostPool&) = delete;
  HostPool& operator=(const HostPool&) = delete;
  ~HostPool() override {
    for (const auto& [size, region] : free_) os::unmap_anonymous(region.bytes);
  }

  [[nodiscard]] std::string_view name() const noexcept override { return "host"; }
  [[nodiscard]] BufferPoolStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 protected:
  Result<MutableBytes> do_allocate(std::uint64_t size) override {
    const std::lock_guard lock(mutex_);
    const auto padded = base::checked_align_up(size, os::system_page_size());
    if (!padded) return over_budget(size);
    if (const auto region = take_free(*padded)) return hand_out(*region, *padded);
    while (*padded > options_.budget - held() && !free_.empty())
      return_to_system(std::prev(free_.end()));
    if (*padded > options_.budget - held()) trim_in_use();
    if (*padded > options_.budget - held()) return over_budget(size);
    WPACK_ASSIGN(const Region region, map(*padded));
    count(region.kind, region.bytes.size());
    return hand_out(region, *padded);
  }

  // A child that was forked leaves the memory to its own end.
  void do_release(MutableBytes bytes) noexcept override {
    if (mark_.is_other_process()) return;
    const std::lock_guard lock(mutex_);
    const auto found = in_use_.find(bytes.data());
    const Region region = found->second;
    in_use_.erase(found);
    stats_.in_use -= region.bytes.size();
    stats_.free += region.bytes.size();
    keep_or_return(region);
  }

 private:
  using Free = std::multimap<std::uint64_t, Region>;  // by size

  [[nodiscard]] std::uint64_t held() const noexcept { return stats_.in_use + stats_.free; }

  // A region that is much larger than what is wanted would waste the budget.
  std::optional<Region> take_free(std::uint64_t padded) {
    const auto found = free_.lower_bound(padded);
    if (found == free_.end() || found->first - padded > padded / 8) return std::nullopt;
    const Region region = found->second;
    free_.erase(found);
    stats_.free -= region.bytes.size();
    stats_.reused += region.bytes.size();
    return region;
  }

  [[nodiscard]] Result<Region> map(std::uint64_t padded) const {
    if (options_.huge_tlb && padded % os::kHugePageSize == 0) {
      if (const auto bytes = os::map_huge_tlb(padded))
        return Region{*bytes, os::PageKind::kHugeTlb};
    }
    WPACK_ASSIGN(const MutableBytes bytes, os::map_anonymous(padded));
    return Region{bytes, os::page_kind_of(padded)};
  }

  [[nodiscard]] MutableBytes hand_out(Region region, std::uint64_t wanted) {
    region.wanted = wanted;
    try {
      in_use_.emplace(region.bytes.data(), region);
    } catch (const std::bad_alloc&) {
      os::unmap_anonymous(region.bytes);
      count(region.kind, ~std::uint64_t{region.bytes.size()} + 1);
      throw;
    }
    stats_.in_use += region.bytes.size();
    stats_.peak = std::max(stats_.peak, held());
    return region.bytes;
  }

  // The ends of reused regions that nobody asked for go back, so that a budget is enough where what
  // was asked for fits into it. Reserved huge pages cannot be cut.
  void trim_in_use() noexcept {
    for (auto& [place, region] : in_use_) {
      const std::uint64_t unused = region.bytes.size() - region.wanted;
      if (unused == 0 || region.kind == os::PageKind::kHugeTlb) continue;
      os::unmap_anonymous(region.bytes.last(unused));
      region.bytes = region.bytes.first(region.wanted);
      stats_.in_use -= unused;
      count(region.kind, ~unused + 1);
    }
  }

  // Adds what memory is made of; two's complement takes away.
  void count(os::PageKind kind, std::uint64_t change) noexcept {
    if (kind == os::PageKind::kHugeTlb) stats_.huge_tlb += change;
    if (kind == os::PageKind::kHugeAsked) stats_.huge_asked += change;
  }

  void keep_or_return(const Region& region) noexcept {
    try {
      const auto kept = free_.emplace(region.bytes.size(), region);
      if (stats_.free > options_.keep_free) return_to_system(kept);
    } catch (const std::bad_alloc&) {  // no room for the entry: none for the region
      unmap(region);
    }
  }

  void return_to_system(Free::iterator it) noexcept {
    const Region region = it->second;
    free_.erase(it);
    unmap(region);
  }

  void unmap(const Region& region) noexcept {
    os::unmap_anonymous(region.bytes);
    stats_.free -= region.bytes.size();
    count(region.kind, ~std::uint64_t{region.bytes.size()} + 1);
  }

  [[nodiscard]] Error over_budget(std::uint64_t size) const {
    return {ErrorCode::kLimit,
            fmt::format("allocation of {} bytes is over the budget: {} of {} bytes are in use",
                        size, stats_.in_use, options_.budget)};
  }

  const HostPoolOptions options_;
  const os::ProcessMark mark_;
  mutable std::mutex mutex_;
  BufferPoolStats stats_;  // in_use and free are never more than the budget together
  Free free_;
  std::unordered_map<const std::byte*, Region> in_use_;
};

}  // namespace

std::shared_ptr<BufferPool> make_host_pool(const HostPoolOptions& options) {
  return std::make_shared<HostPool>(options);
}

std::shared_ptr<BufferPool> make_host_pool(std::uint64_t budget) {
  return make_host_pool(HostPoolOptions{.budget = budget});
}

}  // namespace wpack
