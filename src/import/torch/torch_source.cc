#include "import/torch/torch_source.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace wpack::import {

bool looks_like_zip(Bytes front) noexcept {
  constexpr std::array kSignature{'P', 'K', '\x03', '\x04'};
  return front.size() >= kSignature.size() &&
         std::memcmp(front.data(), kSignature.data(), kSignature.size()) == 0;
}

Result<std::unique_ptr<TensorSource>> open_torch_zip(os::File file,
                                                     const SourceOptions& /*options*/) {
  return Error(ErrorCode::kBadInput,
               fmt::format("{}: PyTorch zip files are not read yet", file.label()));
}

}  // namespace wpack::import
