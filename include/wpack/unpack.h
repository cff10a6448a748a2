// Unpacking: a container becomes a checkpoint again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"

namespace wpack {

enum class UnpackFormat {
  kByName,       // from the extension: .safetensors, or .pt .pth .bin .ckpt; of a folder: that of
                 // the files that the container was packed from
  kSafetensors,  // safetensors files; tied tensors are written under every name
  kTorch,        // PyTorch zips that torch.load(weights_only=True) reads; ties stay ties
};

struct UnpackOptions {
  UnpackFormat format = UnpackFormat::kByName;
  bool replace = false;  // an existing file is replaced, atomically
  ProgressCallback progress = {};
  // As OpenOptions::max_index_bytes, for the container is opened once more. What unpacking keeps of
  // all its tensors may take three times as much (else kLimit).
  std::uint64_t max_index_bytes = std::uint64_t{64} << 20;
};

struct UnpackReport {
  std::uint64_t tensor_count = 0;
  std::uint64_t tensor_bytes = 0;       // written, tied tensors as often as the format repeats them
  std::uint64_t file_bytes = 0;         // of all files
  std::vector<std::string> files = {};  // names of what was written into a folder
  std::vector<std::string> left_out = {};  // attachments; those of a folder with the reason
  std::vector<std::string> swept = {};     // leavings of earlier runs that were removed
};

// Writes every tensor of `container`, and the metadata that the format can hold, to the one file
// `path`, whose directory must exist. Every byte is verified on the way, whatever the container's
// policy: the container is opened once more, by its path. The file is complete under its name or
// absent.
//
// Attachments are left out.
//
// What a format holds:
// - safetensors: the bytes are those that the format's reference library writes for the same
//   tensors. `__metadata__` gets the entries that came from safetensors, in their order, and then
//   the scalars of a checkpoint as text under their dotted path, where that key is free.
// - PyTorch: one ordered dictionary with every tensor under its name, in the order of use, and the
//   scalars of a checkpoint as what they were, under their dotted path, where no tensor has that
//   name. Metadata of safetensors is left out: in a state dictionary it would be a foreign entry.
//   The bytes depend on the stem of the file's name, which the archive repeats.
//
// Memory: about the largest layer, mapped or read, and a few hundred bytes for each tensor.
// Errors: kInvalidArgument (the extension names no format), kBadInput (an element type that the
// format cannot hold: the tensor is named), kIo (a system call failed, the target exists, the
// container was replaced since it was opened), kLimit (disk full, quota, more metadata than the
// format allows), kIntegrity (a checksum does not match), kCancelled. On any error nothing is left
// behind, with one exception: when nothing but the fsync of the directory failed, the file is
// complete under its name, and a power cut may undo that.
[[nodiscard]] WPACK_EXPORT Result<UnpackReport> unpack(const Container& container,
                                                       const std::string& path,
                                                       const UnpackOptions& options = {});

// Writes `container` as the folder `path`, which must not exist: its weights, and its attachments
// beside them, byte for byte. Every byte is verified on the way. The folder is complete under its
// name or absent.
//
// The weights are split as the index among the attachments says (model.safetensors.index.json,
// pytorch_model.bin.index.json), if it is one of the chosen format and names exactly the tensors of
// the container. Otherwise they become one file, called as the file that the container was packed
// from, or model.safetensors or pytorch_model.bin, and the index is left out, as it would mislead.
// Files of the safetensors library come back byte for byte; PyTorch's with the same contents.
// Metadata goes as in unpack(): that of safetensors into every file, scalars into the first.
//
// Memory: as unpack(). Errors: those of unpack(), and kInvalidArgument (options.replace: a folder
// is not replaced).
[[nodiscard]] WPACK_EXPORT Result<UnpackReport> unpack_folder(const Container& container,
                                                              const std::string& path,
                                                              const UnpackOptions& options = {});

}  // namespace wpack
