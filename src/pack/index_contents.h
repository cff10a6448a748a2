// From what was planned and written to the rows of the index. Pure.
#pragma once

#include "format/index_builder.h"
#include "pack/pipeline.h"
#include "wpack/pack.h"

namespace wpack::packing {

[[nodiscard]] format::IndexContents make_index_contents(const SourceDescription& source,
                                                        const PackPlan& plan,
                                                        PipelineResult result);

}  // namespace wpack::packing
