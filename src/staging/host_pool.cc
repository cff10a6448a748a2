#include <fmt/format.h>

#include <atomic>
#include <memory>

#include "base/align.h"
#include "os/anonymous_memory.h"
#include "os/page_size.h"
#include "wpack/buffer_pool.h"

namespace wpack {
namespace {

class HostPool final : public BufferPool {
 public:
  explicit HostPool(std::uint64_t budget) : budget_(budget) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "host"; }

 protected:
  Result<MutableBytes> do_allocate(std::uint64_t size) override {
    const auto padded = base::checked_align_up(size, os::system_page_size());
    if (!padded || !reserve(*padded)) return over_budget(size);
    auto bytes = os::map_anonymous(*padded);
    if (!bytes) used_.fetch_sub(*padded, std::memory_order_relaxed);
    return bytes;
  }

  void do_release(MutableBytes bytes) noexcept override {
    const std::uint64_t padded = base::align_up(bytes.size(), os::system_page_size());
    os::unmap_anonymous({bytes.data(), padded});
    used_.fetch_sub(padded, std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] bool reserve(std::uint64_t padded) noexcept {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (padded > budget_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + padded, std::memory_order_relaxed));
    return true;
  }

  [[nodiscard]] Error over_budget(std::uint64_t size) const {
    return {ErrorCode::kLimit,
            fmt::format("allocation of {} bytes is over the budget: {} of {} bytes are in use",
                        size, used_.load(std::memory_order_relaxed), budget_)};
  }

  const std::uint64_t budget_;
  std::atomic<std::uint64_t> used_{0};  // never more than budget_
};

}  // namespace

std::shared_ptr<BufferPool> make_host_pool(std::uint64_t budget) {
  return std::make_shared<HostPool>(budget);
}

}  // namespace wpack
