#include "wpack/buffer_pool.h"

namespace wpack {

HostBuffer& HostBuffer::operator=(HostBuffer&& other) noexcept {
  HostBuffer taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(bytes_, taken.bytes_);
  return *this;
}

HostBuffer::~HostBuffer() {
  if (!bytes_.empty()) pool_->do_release(bytes_);
}

Result<HostBuffer> BufferPool::allocate(std::uint64_t size) {
  if (size == 0) return HostBuffer();
  WPACK_ASSIGN(const MutableBytes bytes, do_allocate(size));
  return HostBuffer(shared_from_this(), bytes.first(size));
}

}  // namespace wpack
