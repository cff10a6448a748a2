#include "api/engines.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
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

// Trying is making one.
std::vector<load::EngineCandidate> candidates() {
  std::vector<load::EngineCandidate> engines;
  for (const EngineFactory& factory : kFactories) {
    engines.push_back({factory.name, [&factory]() -> std::optional<Error> {
                         ReadChoice smallest;
                         smallest.depth = 1;
                         auto reader = factory.make(smallest);
                         if (reader) return std::nullopt;
                         return std::move(reader).error();
                       }});
  }
  return engines;
}

}  // namespace

load::Engines make_engines(std::uint64_t budget) {
  // What goes back under a budget is used again: touching it a second time costs nothing.
  const std::uint64_t keep_free = budget == load::MemoryBudget::kUnlimited ? 0 : budget;
  return {.make_reader = make_reader,
          .memory = std::make_shared<load::MemoryBudget>(
              make_host_pool({.budget = budget, .keep_free = keep_free}), budget),
          .candidates = candidates()};
}

}  // namespace wpack::api
