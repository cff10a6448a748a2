#include "wpack/tune.h"

#include <fmt/format.h>

#include "api/engines.h"
#include "tune/rounds.h"

namespace wpack {

Result<TuneReport> tune(const std::string& path, const TuneOptions& options) {
  if (!(options.seconds > 0 && options.seconds <= kMaxTuneSeconds)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("tuning takes more than 0 and at most {} seconds, not {}",
                             kMaxTuneSeconds, options.seconds));
  }
  WPACK_ASSIGN(HostReport facts, inspect_host(path));
  return tuning::measure(std::move(facts),
                         api::make_engines(load::MemoryBudget::kUnlimited).make_reader, options);
}

}  // namespace wpack
