#include <utility>

#include "wpack/async_reader.h"

namespace wpack {
namespace {

EngineProbe probe(std::string_view name, Result<std::unique_ptr<AsyncReader>> reader) {
  if (reader) return {name, std::nullopt};
  return {name, std::move(reader).error()};
}

}  // namespace

std::vector<EngineProbe> probe_engines() {
  std::vector<EngineProbe> probes;
  probes.push_back(probe("io_uring", make_io_uring_reader(1)));
  probes.push_back(probe("libaio", make_libaio_reader(1, {})));
  probes.push_back(probe("pread", make_pread_reader(1)));
  return probes;
}

}  // namespace wpack
