#include "os/read_progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/align.h"
#include "os/os_error.h"

namespace wpack::os {

MutableBytes ReadProgress::rest() const noexcept {
  const MutableBytes rest = out_.subspan(filled_);
  return rest.first(std::min<std::uint64_t>(rest.size(), kMaxTransfer));
}

void ReadProgress::advance(std::int64_t result) noexcept {
  if (result < 0) {
    const int error = static_cast<int>(-result);
    if (error == EINTR) return;
    if ((error == EAGAIN || error == ECANCELED) && ++retries_ <= kMaxRetries) return;
    return fail(error);
  }
  retries_ = 0;
  const std::uint64_t size = rest().size();
  const std::uint64_t end =
      filled_ + std::min<std::uint64_t>(static_cast<std::uint64_t>(result), size);
  if (end == filled_ + size) {
    filled_ = reached_ = end;
  } else if (end > reached_) {
    reached_ = end;
    filled_ = base::align_down(end, granule_);
  } else {
    error_ = ends_too_soon(end);
  }
}

// The short texts here fit into a string itself.
void ReadProgress::fail(int error) noexcept {
  try {
    error_ = transfer_error(error, "read", rest().size(), offset());
  } catch (const std::bad_alloc&) {
    error_ = Error(code_of_errno(error), error, "read failed");
  }
}

Error ReadProgress::ends_too_soon(std::uint64_t end) const noexcept {
  try {
    return {ErrorCode::kIo, fmt::format("file ends at offset {}, {} bytes too soon", start_ + end,
                                        out_.size() - end)};
  } catch (const std::bad_alloc&) {
    return {ErrorCode::kIo, "file too short"};
  }
}

}  // namespace wpack::os
