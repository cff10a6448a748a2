// The weights of a model's folder, in one file or in many, as one TensorSource.
//
// What a folder's weights are, which other files travel with them, and what an index must be,
// src/folder says. Between files and index, and between the files:
// - Every file that the index names is there (else kIo), every tensor that it names is in the file
//   that it says, and no tensor is in two files, not even where the index says which one counts:
//   programs differ in which they take.
// - A tensor of a named file that the index does not name is packed, with a warning: the common
//   programs load it. A total_size that is wrong is worth a warning too.
// - Files change between metadata and payload as little as single ones do (kIo).
//
// Order: safetensors by name, as the packer does it; PyTorch by file, and then as in its pickle.
// Memory: descriptions and index, at most about 192 MiB together, what opening one file takes, and
// 4 bytes a tensor.
#pragma once

#include <memory>
#include <string>

#include "import/memory_meter.h"
#include "os/unique_fd.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// Opens the weights of the folder `directory` whose path is `path`, and what travels with them.
// Returns null if the folder holds no weights. `meter` bounds descriptions and index.
// Errors: kIo, kBadInput, kLimit.
[[nodiscard]] Result<std::unique_ptr<TensorSource>> open_folder(os::UniqueFd directory,
                                                                const std::string& path,
                                                                const SourceOptions& options,
                                                                MemoryMeter meter = MemoryMeter());

// Opens the files that the index `path` names, in its folder, and what travels with them. Links to
// the index are followed, but its folder is that of the link.
[[nodiscard]] Result<std::unique_ptr<TensorSource>> open_index(const std::string& path,
                                                               const SourceOptions& options);

}  // namespace wpack::import
