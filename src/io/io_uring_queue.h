// The queue of io_uring with its one call that tests replace: a submission that takes a part.
#pragma once

#include <memory>

#include "io/kernel_queue.h"

struct io_uring;

namespace wpack::io {

// io_uring_submit(), or something that behaves like it.
using RingSubmit = int (*)(::io_uring* ring);

[[nodiscard]] Result<std::unique_ptr<KernelQueue>> make_io_uring_queue(std::uint32_t depth,
                                                                       RingSubmit submit);

}  // namespace wpack::io
