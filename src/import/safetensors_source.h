// Safetensors files as a TensorSource.
//
// The reader is strict: what the format's own text forbids is refused, also where other readers
// let it pass (duplicate keys, entries in array form, numbers that are not integers). See
// safetensors_header.h for the rules. Payload is read in place, never mapped; the format has no
// checksums, so all that finish() can show is that the file did not change.
#pragma once

#include <memory>

#include "import/file_source.h"
#include "import/memory_meter.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// Opens the safetensors file `file`, taking it over. Reads the header only.
// Tensors stand in the order of their offsets, so that reading them one after the other reads the
// file from front to back. Memory: the header, of at most 100,000,000 bytes, and what it is
// parsed into, at most about the budget of `meter`; afterwards the description.
// Errors: kIo, kBadInput, kLimit. Messages start with the file's label.
[[nodiscard]] Result<std::unique_ptr<FileSource>> open_safetensors(
    os::File file, MemoryMeter meter = MemoryMeter());

}  // namespace wpack::import
