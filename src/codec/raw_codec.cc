#include "codec/raw_codec.h"

#include <fmt/format.h>

#include <algorithm>

namespace wpack::codec {

Status RawCodec::decode(Bytes stored, MutableBytes raw) const {
  if (stored.size() != raw.size()) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("raw chunk of {} bytes should have {}", stored.size(), raw.size()));
  }
  std::ranges::copy(stored, raw.begin());
  return {};
}

}  // namespace wpack::codec
