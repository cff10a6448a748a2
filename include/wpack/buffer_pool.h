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

// What a pool holds, in bytes; whole pages count.
struct BufferPoolStats {
  std::uint64_t in_use = 0;      // handed out
  std::uint64_t free = 0;        // kept for the next allocation
  std::uint64_t peak = 0;        // the most of both together, so far
  std::uint64_t reused = 0;      // handed out again without asking the system, in all
  std::uint64_t huge_tlb = 0;    // of what it holds, in pages of the reserved huge page pool
  std::uint64_t huge_asked = 0;  // of what it holds, where transparent huge pages were asked for
};

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

  [[nodiscard]] virtual BufferPoolStats stats() const = 0;

 protected:
  friend class HostBuffer;
  // Returns memory of at least `size` > 0 bytes, page-aligned; allocate() trims it.
  [[nodiscard]] virtual Result<MutableBytes> do_allocate(std::uint64_t size) = 0;
  // Takes back what do_allocate() returned, trimmed to the size that was asked for.
  virtual void do_release(MutableBytes bytes) noexcept = 0;
};

struct HostPoolOptions {
  // The most that the pool holds, handed out and kept free together, in bytes of whole pages.
  std::uint64_t budget = ~std::uint64_t{0};
  // Of that, how much it may keep free for the next allocation instead of returning it to the
  // system: memory that was touched before costs nothing to touch again.
  std::uint64_t keep_free = 0;
  // Take memory from the reserved huge page pool (hugetlb) where it has room. Otherwise, and for
  // what is smaller than 2 MiB, ordinary memory, for which transparent huge pages are asked for.
  bool huge_tlb = false;
};

// A pool of anonymous host memory. Memory is not touched before it is handed out for the first
// time: whoever fills it takes the page faults.
[[nodiscard]] WPACK_EXPORT std::shared_ptr<BufferPool> make_host_pool(
    const HostPoolOptions& options);
// The same, of a budget alone: freed memory returns to the system at once.
[[nodiscard]] WPACK_EXPORT std::shared_ptr<BufferPool> make_host_pool(std::uint64_t budget);

}  // namespace wpack
