// What libaio and io_uring have in common: a queue of reads that the kernel works off by itself.
// All that is more than handing over and taking back is in QueueReader. Tests put a queue in
// between that goes wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::io {

struct KernelRead {
  int fd = -1;
  std::uint64_t offset = 0;
  MutableBytes out;
  std::uint32_t tag = 0;   // comes back in the result
  bool in_thread = false;  // by a thread of the kernel, which may wait, if the queue has such
};

struct KernelResult {
  std::uint32_t tag = 0;
  std::int64_t result = 0;  // how many bytes were read, perhaps fewer than asked, or -errno
};

// Thread safety: one thread at a time.
class KernelQueue {
 public:
  KernelQueue() = default;
  KernelQueue(const KernelQueue&) = delete;
  KernelQueue& operator=(const KernelQueue&) = delete;
  virtual ~KernelQueue() = default;  // only when no read is in the kernel

  // Hands reads over from the front and returns how many the kernel took (at least one, if there
  // are any), or -errno if it took none: EAGAIN, EBUSY and EINTR for now, anything else because of
  // the first read.
  [[nodiscard]] virtual int submit(std::span<const KernelRead> reads) noexcept = 0;

  // Waits for `min_count` results (0: does not wait) and returns how many it filled in from the
  // front, perhaps fewer, or -errno.
  [[nodiscard]] virtual int wait(std::span<KernelResult> results,
                                 std::uint32_t min_count) noexcept = 0;
};

// Queues with room for `depth` reads. Errors: as make_libaio_reader() and make_io_uring_reader()
// have them.
[[nodiscard]] Result<std::unique_ptr<KernelQueue>> make_libaio_queue(std::uint32_t depth);
[[nodiscard]] Result<std::unique_ptr<KernelQueue>> make_io_uring_queue(std::uint32_t depth);

}  // namespace wpack::io
