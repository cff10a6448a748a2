// How many bytes the tensors of a checkpoint may take beyond those of its archive.
#pragma once

#include <cstdint>
#include <span>

#include "import/torch/zip_archive.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// Returns how many bytes views of storages may take together: `max_expansion` times what all
// members take in the file, or 1 GiB if that is more.
[[nodiscard]] std::uint64_t unfolded_limit(const ZipArchive& archive, std::uint64_t max_expansion);

// Checks that the tensors that are unbroken runs of storages stay within the limit, or within what
// the members inflate to if that is more. Tied tensors, and slices of another, count once.
// Errors: kLimit, which names a tensor, but not the file.
[[nodiscard]] Status check_views(std::span<const SourceTensor> tensors, const ZipArchive& archive,
                                 std::uint64_t max_expansion);

}  // namespace wpack::import
