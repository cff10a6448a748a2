#include "wpack/tensor_source.h"

namespace wpack {

Status TensorSource::read_attachment(std::size_t /*index*/, std::uint64_t /*offset*/,
                                     MutableBytes /*out*/) {
  return Error(ErrorCode::kInternal, "the source describes attachments but does not read them");
}

}  // namespace wpack
