#include "api/engines.h"
#include "load/open_container.h"
#include "wpack/container.h"

namespace wpack {

Result<Container> Container::open(const std::string& path, const OpenOptions& options) {
  const std::uint64_t budget = options.memory_budget.value_or(load::MemoryBudget::kUnlimited);
  return load::open_container(path, options, api::make_engines(budget));
}

}  // namespace wpack
