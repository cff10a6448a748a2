// The memory budget of containers as a pool, for those who are no container.
#pragma once

#include <memory>

#include "load/memory_budget.h"
#include "wpack/buffer_pool.h"

namespace wpack::load {

// The pool's statistics are those of the whole budget.
[[nodiscard]] std::shared_ptr<BufferPool> make_budget_pool(std::shared_ptr<MemoryBudget> memory);

}  // namespace wpack::load
