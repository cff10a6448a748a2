#include "wpack/staging_ring.h"

#include <fmt/format.h>

namespace wpack {

WritableSlot::~WritableSlot() {
  if (ring_ != nullptr) ring_->do_drop(number_);
}

FilledSlot WritableSlot::seal() && {
  if (ring_ != nullptr) ring_->do_seal(number_);
  return {std::move(ring_), number_, bytes_};
}

FilledSlot::~FilledSlot() {
  if (ring_ != nullptr) ring_->do_drop(number_);
}

Status FilledSlot::copy(ByteRange part, DeviceRange to) {
  if (ring_ == nullptr || part.begin > part.end || part.end > bytes_.size()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("copy of the bytes [{}, {}) of a staging slot failed: it has {}",
                             part.begin, part.end, ring_ == nullptr ? 0 : bytes_.size()));
  }
  return ring_->do_copy(number_, part, to);
}

Result<std::optional<WritableSlot>> StagingRing::try_acquire() {
  WPACK_ASSIGN(const std::optional<Taken> taken, do_try_acquire());
  if (!taken) return std::optional<WritableSlot>();
  return std::optional<WritableSlot>(WritableSlot(shared_from_this(), taken->number, taken->bytes));
}

Result<WritableSlot> StagingRing::acquire(const SlotWait& wait) {
  WPACK_ASSIGN(const Taken taken, do_acquire(wait));
  return WritableSlot(shared_from_this(), taken.number, taken.bytes);
}

}  // namespace wpack
