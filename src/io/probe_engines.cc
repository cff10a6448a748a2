#include "wpack/async_reader.h"

namespace wpack {
namespace {

EngineProbe probe_pread() {
  auto reader = make_pread_reader(1);
  if (reader) return {"pread", std::nullopt};
  return {"pread", std::move(reader).error()};
}

}  // namespace

std::vector<EngineProbe> probe_engines() { return {probe_pread()}; }

}  // namespace wpack
