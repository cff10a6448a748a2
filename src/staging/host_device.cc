#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <set>

#include "base/checked_math.h"
#include "os/locked_memory.h"
#include "wpack/buffer_pool.h"
#include "wpack/device.h"

namespace wpack {
namespace {

// An address of this device is one of the process.
std::byte* host_pointer(DeviceRange range) {
  return reinterpret_cast<std::byte*>(range.address);  // NOLINT(performance-no-int-to-ptr)
}

class HostDevice final : public Device {
 public:
  explicit HostDevice(const HostDeviceOptions& options) : pool_(make_host_pool(options.budget)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "host"; }

  Result<CopyTicket> copy(Bytes from, DeviceRange to) override {
    WPACK_TRY(check("copy", from.size(), to));
    if (!from.empty()) std::memcpy(host_pointer(to), from.data(), from.size());
    const std::lock_guard lock(mutex_);
    ++stats_.copies;
    stats_.copied_bytes += from.size();
    ended_.insert(++last_ticket_);
    return static_cast<CopyTicket>(last_ticket_);
  }

  std::optional<Status> wait_until(CopyTicket ticket, TimePoint /*limit*/) override {
    const std::lock_guard lock(mutex_);
    if (ended_.erase(static_cast<std::uint64_t>(ticket)) > 0) return Status();
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("wait for copy {} of device host failed: it is not under way",
                             static_cast<std::uint64_t>(ticket)));
  }

  Status synchronise() override { return {}; }

  Status copy_back(DeviceRange from, MutableBytes out) override {
    WPACK_TRY(check("copy back", out.size(), from));
    if (!out.empty()) std::memcpy(out.data(), host_pointer(from), out.size());
    return {};
  }

  [[nodiscard]] DeviceStats stats() const override {
    const BufferPoolStats pool = pool_->stats();
    const std::lock_guard lock(mutex_);
    DeviceStats stats = stats_;
    stats.in_use = pool.in_use;
    stats.peak = pool.peak;
    return stats;
  }

 protected:
  Result<DeviceRange> do_allocate(std::uint64_t size) override {
    WPACK_ASSIGN(HostBuffer buffer, pool_->allocate(size));
    const DeviceRange range{reinterpret_cast<std::uintptr_t>(buffer.bytes().data()), size};
    const std::lock_guard lock(mutex_);
    buffers_.emplace(range.address, std::move(buffer));
    return range;
  }

  void do_release(DeviceRange range) noexcept override {
    const std::lock_guard lock(mutex_);
    buffers_.erase(range.address);
  }

  Status do_pin(MutableBytes bytes) override {
    Status locked = os::lock_memory(bytes);
    const std::lock_guard lock(mutex_);
    if (locked) {
      stats_.pinned += bytes.size();
    } else {
      ++stats_.pins_refused;
    }
    return locked;
  }

  void do_unpin(MutableBytes bytes) noexcept override {
    os::unlock_memory(bytes);
    const std::lock_guard lock(mutex_);
    stats_.pinned -= bytes.size();
  }

 private:
  // Errors: kInvalidArgument.
  [[nodiscard]] Status check(std::string_view operation, std::uint64_t size,
                             DeviceRange range) const {
    const auto failed = [&](std::string_view why) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} of {} bytes on device host failed: the {} bytes at {:#x} {}",
                               operation, size, range.size, range.address, why));
    };
    if (size != range.size) return failed("are not as many");
    if (size == 0) return {};
    const std::lock_guard lock(mutex_);
    const auto after = buffers_.upper_bound(range.address);
    if (after != buffers_.begin()) {
      const auto& [address, buffer] = *std::prev(after);
      if (base::range_within(range.address - address, size, buffer.bytes().size())) return {};
    }
    return failed("are not its memory");
  }

  const std::shared_ptr<BufferPool> pool_;
  mutable std::mutex mutex_;
  DeviceStats stats_;                            // without memory, which the pool counts
  std::map<std::uint64_t, HostBuffer> buffers_;  // by address
  std::set<std::uint64_t> ended_;                // tickets whose end nobody was told
  std::uint64_t last_ticket_ = 0;
};

}  // namespace

std::shared_ptr<Device> make_host_device(const HostDeviceOptions& options) {
  return std::make_shared<HostDevice>(options);
}

}  // namespace wpack
