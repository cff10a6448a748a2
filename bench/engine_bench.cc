// How fast each engine reads a file from the disk, by block size and requests in flight, and what
// it costs the processor:
//
//   engine_bench FILE [--benchmark_...]
//
// FILE is dropped from the page cache before every pass, and mincore(2) must find none of it there.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "wpack/async_reader.h"

namespace wpack::bench {
namespace {

constexpr std::uint64_t kAlignment = 4096;

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// True if no page of the file is in memory afterwards.
bool drop_from_cache(int fd, std::uint64_t size) {
  (void)::fdatasync(fd);
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return false;
  std::vector<unsigned char> pages((size + 4095) / 4096);
  const bool known = ::mincore(map, size, pages.data()) == 0;
  ::munmap(map, size);
  return known && std::ranges::none_of(pages, [](unsigned char page) { return (page & 1) != 0; });
}

struct Engine {
  std::string name;
  bool direct;
  Result<std::unique_ptr<AsyncReader>> (*make)(std::uint32_t depth);
};
const Engine kEngines[] = {
    {"pread", false, [](std::uint32_t depth) { return make_pread_reader(depth); }},
    {"pread_direct", true,
     [](std::uint32_t depth) { return make_pread_reader(depth, DirectAlignment{}); }},
    {"libaio_direct", true,
     [](std::uint32_t depth) { return make_libaio_reader(depth, DirectAlignment{}); }},
    {"io_uring", false, [](std::uint32_t depth) { return make_io_uring_reader(depth); }},
    {"io_uring_direct", true,
     [](std::uint32_t depth) { return make_io_uring_reader(depth, DirectAlignment{}); }},
};

struct Memory {
  explicit Memory(std::size_t size)
      : bytes(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size))) {
    std::fill_n(bytes, size, std::byte{0});  // its first touch is not what is measured
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { std::free(bytes); }
  std::byte* bytes;
};

// Reads the first `size` bytes of the file, and keeps `depth` requests in flight.
bool read_all(AsyncReader& reader, int fd, std::uint64_t size, std::uint64_t block,
              std::uint32_t depth, const Memory& memory) {
  std::vector<std::uint64_t> idle(depth);
  for (std::uint32_t i = 0; i < depth; ++i) idle[i] = i;
  std::vector<ReadCompletion> completions(depth);
  std::uint64_t offset = 0;
  while (offset < size || idle.size() < depth) {
    std::vector<ReadRequest> batch;
    while (offset < size && !idle.empty()) {
      const std::uint64_t slot = idle.back();
      idle.pop_back();
      batch.push_back(
          {fd, offset, {memory.bytes + slot * block, std::min(block, size - offset)}, slot});
      offset += batch.back().out.size();
    }
    const auto accepted = reader.submit(batch);
    if (!accepted || *accepted != batch.size()) return false;
    const std::size_t got = reader.poll(completions, 1);
    for (std::size_t i = 0; i < got; ++i) {
      if (completions[i].error) return false;
      idle.push_back(completions[i].user_data);
    }
  }
  return true;
}

void read_file(benchmark::State& state, const std::string& path, const Engine& engine) {
  const auto block = static_cast<std::uint64_t>(state.range(0));
  const auto depth = static_cast<std::uint32_t>(state.range(1));
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (engine.direct ? O_DIRECT : 0));
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) return state.SkipWithError("cannot open the file");
  const std::uint64_t size = static_cast<std::uint64_t>(status.st_size) / kAlignment * kAlignment;
  const auto reader = engine.make(depth);
  if (!reader) return state.SkipWithError(reader.error().message().c_str());
  const Memory memory(block * depth);
  double cpu = 0;
  for (auto _ : state) {
    state.PauseTiming();
    if (!drop_from_cache(fd, size)) return state.SkipWithError("the file stays in the page cache");
    const double cpu_before = cpu_seconds();
    state.ResumeTiming();
    if (!read_all(**reader, fd, size, block, depth, memory))
      return state.SkipWithError("a read failed");
    cpu += cpu_seconds() - cpu_before;
  }
  ::close(fd);
  const double gigabytes =
      static_cast<double>(size) * static_cast<double>(state.iterations()) / 1e9;
  state.counters["GB/s"] = benchmark::Counter(gigabytes, benchmark::Counter::kIsRate);
  state.counters["CPU s/GB"] = cpu / gigabytes;
}

}  // namespace
}  // namespace wpack::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: engine_bench FILE [--benchmark_...]\n");
    return 2;
  }
  const std::string path = argv[1];
  for (const wpack::bench::Engine& engine : wpack::bench::kEngines) {
    benchmark::RegisterBenchmark(
        engine.name.c_str(),
        [&path, &engine](benchmark::State& state) { wpack::bench::read_file(state, path, engine); })
        ->ArgNames({"block", "depth"})
        ->ArgsProduct({{256 << 10, 1 << 20, 8 << 20}, {1, 4, 16, 32}})
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
