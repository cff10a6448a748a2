// What the composition root hands to loading: how to read, and where memory comes from.
#pragma once

#include <functional>
#include <memory>

#include "load/memory_budget.h"
#include "wpack/async_reader.h"
#include "wpack/error.h"

namespace wpack::load {

struct Engines {
  // Makes a reader for one loading thread. Called from any thread.
  std::function<Result<std::unique_ptr<AsyncReader>>()> make_reader;
  std::shared_ptr<MemoryBudget> memory;  // of this container, or shared with others
};

}  // namespace wpack::load
