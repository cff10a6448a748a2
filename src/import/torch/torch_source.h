// PyTorch checkpoints in zip form (`torch.save` since PyTorch 1.6) as a TensorSource.
//
// data.pkl is read by a restricted machine: allow-listed names build tensors, and nothing is ever
// imported or called. Payload is read in place with pread, never mapped, and every CRC-32 that the
// archive records is checked: while tensors are read from front to back, and in finish() for the
// rest.
#pragma once

#include <memory>

#include "import/file_source.h"
#include "import/inflate_work.h"
#include "import/memory_meter.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"
#include "wpack/types.h"

namespace wpack::import {

// True if a file that starts with `front` (4 bytes are enough) may be a zip archive.
[[nodiscard]] bool looks_like_zip(Bytes front) noexcept;

// Opens the checkpoint `file`, taking it over. Reads metadata only: the central directory, the
// local headers and data.pkl. Memory: a small multiple of those, at most about the budget of
// `meter`, and while reading at most options.inflate_budget for deflated members. What is inflated
// counts into `work`, if it is one of many files of a source.
// Errors: kIo, kBadInput (not a checkpoint, or one that is invalid or not supported: TorchScript,
// torch.export, quantised, sparse, ...), kIntegrity (a size or CRC-32 of the metadata does not
// match), kLimit (a cap was passed). Messages start with the file's label.
[[nodiscard]] Result<std::unique_ptr<FileSource>> open_torch_zip(
    os::File file, const SourceOptions& options, MemoryMeter meter = MemoryMeter(),
    std::shared_ptr<InflateWork> work = nullptr);

}  // namespace wpack::import
