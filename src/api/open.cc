#include "api/engines.h"
#include "load/open_container.h"
#include "wpack/container.h"
#include "wpack/explain.h"

namespace wpack {
namespace {

load::Engines engines_for(const OpenOptions& options) {
  return api::make_engines(options.memory_budget.value_or(load::MemoryBudget::kUnlimited));
}

}  // namespace

Result<Container> Container::open(const std::string& path, const OpenOptions& options) {
  return load::open_container(path, options, engines_for(options));
}

Result<Explanation> explain(const std::string& path, const OpenOptions& options) {
  return load::explain_container(path, options, engines_for(options));
}

}  // namespace wpack
