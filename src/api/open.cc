// The composition root of reading: which engines a container is opened with.
#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>

#include "load/open_container.h"
#include "wpack/container.h"

namespace wpack {
namespace {

struct EngineFactory {
  std::string_view name;
  Result<std::unique_ptr<AsyncReader>> (*make)(const ReadChoice& choice);
};

constexpr EngineFactory kFactories[] = {
    {"pread", [](const ReadChoice& choice) { return make_pread_reader(choice.depth); }},
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

Result<Container> Container::open(const std::string& path, const OpenOptions& options) {
  load::Engines engines;
  engines.make_reader = make_reader;
  engines.pool = make_host_pool(std::numeric_limits<std::uint64_t>::max());
  engines.probe = probe_known_engines;
  return load::open_container(path, options, std::move(engines));
}

}  // namespace wpack
