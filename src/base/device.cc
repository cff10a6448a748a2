#include "wpack/device.h"

#include <fmt/format.h>

#include <cassert>

#include "base/align.h"
#include "base/checked_math.h"

namespace wpack {

DeviceRange DeviceRange::sub_range(std::uint64_t offset, std::uint64_t count) const {
  assert(base::range_within(offset, count, size));
  return {address + offset, count};
}

DeviceBuffer& DeviceBuffer::operator=(DeviceBuffer&& other) noexcept {
  DeviceBuffer taken(std::move(other));
  std::swap(device_, taken.device_);
  std::swap(range_, taken.range_);
  return *this;
}

DeviceBuffer::~DeviceBuffer() {
  if (range_.size > 0) device_->do_release(range_);
}

PinnedMemory& PinnedMemory::operator=(PinnedMemory&& other) noexcept {
  PinnedMemory taken(std::move(other));
  std::swap(device_, taken.device_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

PinnedMemory::~PinnedMemory() {
  if (!bytes_.empty()) device_->do_unpin(bytes_);
}

Result<DeviceBuffer> Device::allocate(std::uint64_t size) {
  if (size == 0) return DeviceBuffer();
  WPACK_ASSIGN(const DeviceRange range, do_allocate(size));
  return DeviceBuffer(shared_from_this(), range);
}

Result<PinnedMemory> Device::pin(MutableBytes bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
  if (!base::is_aligned(address | bytes.size(), base::kPageSize)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("pinning of {} bytes at {:#x} failed: not whole pages of {} bytes",
                             bytes.size(), address, base::kPageSize));
  }
  if (bytes.empty()) return PinnedMemory();
  WPACK_TRY(do_pin(bytes));
  return PinnedMemory(shared_from_this(), bytes);
}

std::optional<Status> Device::poll(CopyTicket ticket) {
  return wait_until(ticket, TimePoint::min());
}

Status Device::wait(CopyTicket ticket) {
  std::optional<Status> ended;
  while (!ended) ended = wait_until(ticket, TimePoint::max());
  return *std::move(ended);
}

}  // namespace wpack
