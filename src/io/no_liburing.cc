#include "io/kernel_queue.h"

namespace wpack::io {

Result<std::unique_ptr<KernelQueue>> make_io_uring_queue(std::uint32_t) {
  return Error(ErrorCode::kUnsupportedHost, "io_uring: this build has no liburing");
}

}  // namespace wpack::io
