// Which tensors of a container share bytes in a way that a checkpoint can express. Pure.
#pragma once

#include <span>
#include <vector>

#include "export/tensor_sink.h"
#include "wpack/container.h"

namespace wpack::exporting {

// Returns what to export for each of `tensors`, whose ids are their positions. A tensor that was
// tied to another in the source, and whose bytes lie inside those of that one, stays tied to it.
[[nodiscard]] std::vector<ExportTensor> find_tied_tensors(std::span<const TensorInfo> tensors);

}  // namespace wpack::exporting
