#include "api/engines.h"

#include <memory>

namespace wpack::api {
namespace {

// Enough requests in flight to keep one disk busy; each loading thread has an engine of its own.
constexpr std::uint32_t kReaderThreads = 4;

}  // namespace

load::Engines make_engines(std::uint64_t budget) {
  // What goes back under a budget is used again: touching it a second time costs nothing.
  const std::uint64_t keep_free = budget == load::MemoryBudget::kUnlimited ? 0 : budget;
  return {.make_reader = [] { return make_pread_reader(kReaderThreads); },
          .memory = std::make_shared<load::MemoryBudget>(
              make_host_pool({.budget = budget, .keep_free = keep_free}), budget)};
}

}  // namespace wpack::api
