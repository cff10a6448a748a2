// Unpacking: a container becomes a checkpoint again.
#pragma once

#include <cstdint>
#include <string>

#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"

namespace wpack {

enum class UnpackFormat {
  kByName,       // from the extension: .safetensors, or .pt .pth .bin .ckpt
  kSafetensors,  // one safetensors file; tied tensors are written under every name
  kTorch,        // one PyTorch zip that torch.load(weights_only=True) reads; ties stay ties
};

struct UnpackOptions {
  UnpackFormat format = UnpackFormat::kByName;
  bool replace = false;  // an existing file is replaced, atomically
  ProgressCallback progress;
};

struct UnpackReport {
  std::uint64_t tensor_count = 0;
  std::uint64_t tensor_bytes = 0;  // written, tied tensors as often as the format repeats them
  std::uint64_t file_bytes = 0;
};

// Writes every tensor of `container`, and the metadata that the format can hold, to the file
// `path`. Every byte is verified on the way, whatever the container's policy. The file is complete
// under its name or absent.
// Errors: kInvalidArgument (the extension names no format), kBadInput (an element type that the
// format cannot hold: the tensor is named), kIo (a system call failed, the target exists), kLimit
// (disk full, quota), kIntegrity (a checksum does not match), kCancelled.
[[nodiscard]] WPACK_EXPORT Result<UnpackReport> unpack(const Container& container,
                                                       const std::string& path,
                                                       const UnpackOptions& options = {});

}  // namespace wpack
