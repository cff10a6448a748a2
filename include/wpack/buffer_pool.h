// The seam between loading and memory: page-aligned host buffers that come from a pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/types.h"

namespace wpack {

class BufferPool;

// Memory from a pool, given back when it is destroyed. Move-only. Contents are unspecified.
class WPACK_EXPORT HostBuffer {
 public:
  HostBuffer() = default;
  HostBuffer(HostBuffer&& other) noexcept
      : pool_(std::move(other.pool_)), bytes_(std::exchange(other.bytes_, {})) {}
  HostBuffer& operator=(HostBuffer&& other) noexcept;
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;
  ~HostBuffer();

  // Aligned to 4,096 bytes, of exactly the size that was asked for.
  [[nodiscard]] MutableBytes bytes() const& noexcept { return bytes_; }
  [[nodiscard]] MutableBytes bytes() const&& = delete;

 private:
  friend class BufferPool;
  HostBuffer(std::shared_ptr<BufferPool> pool, MutableBytes bytes)
      : pool_(std::move(pool)), bytes_(bytes) {}
  std::shared_ptr<BufferPool> pool_;  // a buffer keeps its pool alive
  MutableBytes bytes_;
};

// Thread safety: all functions, from several threads at once.
class WPACK_EXPORT BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  virtual ~BufferPool() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  // Returns a buffer of `size` bytes (0 gives an empty one). Never blocks.
  // Errors: kLimit (no memory, or the pool's budget is spent), with the sizes in the message.
  [[nodiscard]] Result<HostBuffer> allocate(std::uint64_t size);

 protected:
  friend class HostBuffer;
  // Returns memory of at least `size` > 0 bytes, page-aligned; allocate() trims it.
  [[nodiscard]] virtual Result<MutableBytes> do_allocate(std::uint64_t size) = 0;
  // Takes back what do_allocate() returned, trimmed to the size that was asked for.
  virtual void do_release(MutableBytes bytes) noexcept = 0;
};

// A pool of anonymous host memory that hands out at most `budget` bytes at a time (counted in
// whole pages) and returns freed memory to the system at once.
[[nodiscard]] WPACK_EXPORT std::shared_ptr<BufferPool> make_host_pool(std::uint64_t budget);

}  // namespace wpack
