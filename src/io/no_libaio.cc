#include "io/kernel_queue.h"

namespace wpack::io {

Result<std::unique_ptr<KernelQueue>> make_libaio_queue(std::uint32_t) {
  return Error(ErrorCode::kUnsupportedHost, "libaio: this build has no libaio");
}

}  // namespace wpack::io
