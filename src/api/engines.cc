#include "api/engines.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string_view>
#include <vector>

namespace wpack::api {
namespace {

struct EngineFactory {
  std::string_view name;
  Result<std::unique_ptr<AsyncReader>> (*make)(const ReadChoice& choice);
};

constexpr EngineFactory kFactories[] = {
    {"io_uring",
     [](const ReadChoice& choice) { return make_io_uring_reader(choice.depth, choice.direct); }},
    {"libaio",
     [](const ReadChoice& choice) {
       return make_libaio_reader(choice.depth, choice.direct.value_or(DirectAlignment()));
     }},
    {"pread",
     [](const ReadChoice& choice) { return make_pread_reader(choice.depth, choice.direct); }},
};

const EngineFactory* find_factory(std::string_view name) {
  const auto found = std::ranges::find(kFactories, name, &EngineFactory::name);
  return found == std::end(kFactories) ? nullptr : found;
}

Result<std::unique_ptr<AsyncReader>> make_reader(const ReadChoice& choice) {
  if (const EngineFactory* factory = find_factory(choice.engine)) return factory->make(choice);
  return Error(ErrorCode::kInternal, "no engine is called '" + choice.engine + "'");
}

std::vector<EngineProbe> probe_known_engines() {
  std::vector<EngineProbe> probes = probe_engines();
  std::erase_if(probes,
                [](const EngineProbe& probe) { return find_factory(probe.name) == nullptr; });
  return probes;
}

}  // namespace

load::Engines make_engines(std::uint64_t budget) {
  // What goes back under a budget is used again: touching it a second time costs nothing.
  const std::uint64_t keep_free = budget == load::MemoryBudget::kUnlimited ? 0 : budget;
  return {.make_reader = make_reader,
          .memory = std::make_shared<load::MemoryBudget>(
              make_host_pool({.budget = budget, .keep_free = keep_free}), budget),
          .probe = probe_known_engines};
}

}  // namespace wpack::api
