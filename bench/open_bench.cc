// How long it takes to open a container: its index is read and validated, no payload is. Warm.
#include <benchmark/benchmark.h>

#include "synthetic_container.h"
#include "wpack/container.h"

namespace wpack::bench {
namespace {

void BM_Open(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const SyntheticContainer synthetic(count, 64);
  const std::string path = synthetic.path();
  for (auto _ : state) {
    auto container = Container::open(path);
    if (!container) return state.SkipWithError(container.error().message().c_str());
    benchmark::DoNotOptimize(container);
  }
  state.counters["tensors"] = static_cast<double>(count);
}
BENCHMARK(BM_Open)->Arg(1'000)->Arg(100'000)->Unit(benchmark::kMicrosecond);

void BM_FindTensor(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const SyntheticContainer synthetic(count, 64);
  const auto container = Container::open(synthetic.path());
  if (!container) return state.SkipWithError(container.error().message().c_str());
  std::uint32_t id = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(container->find(container->tensor_info(id).name));
    id = (id + 7919) % count;
  }
}
BENCHMARK(BM_FindTensor)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace wpack::bench
