// The measurement itself: all shapes in turns, until the time is up.
#pragma once

#include <functional>
#include <memory>

#include "tune/sample.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"
#include "wpack/explain.h"
#include "wpack/tune.h"

namespace wpack::tuning {

using MakeReader = std::function<Result<std::unique_ptr<AsyncReader>>(const ReadChoice&)>;

// Measures the file that `facts` are of. Errors: those of wpack::tune.
[[nodiscard]] Result<TuneReport> measure(HostReport facts, const MakeReader& make_reader,
                                         const TuneOptions& options);

}  // namespace wpack::tuning
