// The rate of wpack::verify on one core, beside that of XXH3 alone on the same bytes. Warm.
#include <benchmark/benchmark.h>
#include <sched.h>
#include <xxhash.h>

#include <fstream>
#include <vector>

#include "synthetic_container.h"
#include "wpack/container.h"
#include "wpack/verify.h"

namespace wpack::bench {
namespace {

constexpr std::uint32_t kTensorCount = 64;
constexpr std::uint64_t kTensorBytes = std::uint64_t{8} << 20;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// Threads that are started later stay on the core, too.
void use_one_core() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  (void)::sched_setaffinity(0, sizeof one, &one);
}

const SyntheticContainer& shared_container() {
  static const SyntheticContainer container(kTensorCount, kTensorBytes);
  return container;
}

void BM_Verify(benchmark::State& state) {
  const std::string path = shared_container().path();
  use_one_core();
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    const auto report = verify(path);
    if (!report || !report->faults.empty()) return state.SkipWithError("verify failed");
    bytes += report->checked_bytes;
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(BM_Verify)->Unit(benchmark::kMillisecond)->UseRealTime();

// Over memory that holds the bytes already, in the chunks that wpack hashes.
void BM_Xxh3(benchmark::State& state) {
  std::vector<char> bytes(kTensorCount * kTensorBytes);
  std::ifstream(shared_container().path() + "/00000.wps", std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  use_one_core();
  for (auto _ : state) {
    for (std::size_t offset = 0; offset < bytes.size(); offset += kChunkBytes) {
      benchmark::DoNotOptimize(XXH3_64bits(bytes.data() + offset, kChunkBytes));
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * bytes.size()));
}
BENCHMARK(BM_Xxh3)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace wpack::bench
