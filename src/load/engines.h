// What the composition root hands to loading: how to read, and where memory comes from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "load/engine_policy.h"
#include "load/memory_budget.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"
#include "wpack/explain.h"

namespace wpack::load {

struct Engines {
  // Makes the reader that was chosen, for one loading thread. Called from any thread.
  std::function<Result<std::unique_ptr<AsyncReader>>(const ReadChoice&)> make_reader;
  std::shared_ptr<MemoryBudget> memory;  // of this container, or shared with others
  // The engines that make_reader knows, the best first. Each is asked once, from any thread.
  std::vector<EngineCandidate> candidates = {{"pread", [] { return std::optional<Error>(); }}};
};

}  // namespace wpack::load
