// Streams a container layer by layer through a memory budget, to a consumer of a given pace, and
// prints as JSON how long that consumer had to wait:
//
//   stream CONTAINER BUDGET_BYTES BYTES_PER_SECOND READAHEAD_LAYERS
//
// The consumer reads one byte of every page of a layer and then keeps it for as long as the pace
// says, asleep, as if a device worked on it. Waiting counts from the second layer on: nothing can
// be read ahead of the first.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "wpack/container.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Takes the layer and returns at which time its consumer will be done with it.
void consume(const wpack::LayerView& view, Clock::time_point begin, double seconds) {
  unsigned char sum = 0;
  for (const wpack::Tensor& tensor : view.tensors()) {
    const wpack::Bytes bytes = tensor.bytes();
    for (std::size_t at = 0; at < bytes.size(); at += 4096)
      sum = static_cast<unsigned char>(sum ^ std::to_integer<unsigned char>(bytes[at]));
  }
  [[maybe_unused]] volatile unsigned char kept = sum;
  std::this_thread::sleep_until(
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds)));
}

wpack::Result<nlohmann::json> stream(const std::string& path, const wpack::OpenOptions& options,
                                     double pace) {
  const auto begin = Clock::now();
  WPACK_ASSIGN(const wpack::Container container, wpack::Container::open(path, options));
  double first = 0;
  double waited = 0;
  double longest = 0;
  std::uint64_t bytes = 0;
  for (const wpack::Layer& layer : container.layers()) {
    const auto asked = Clock::now();
    WPACK_ASSIGN(const wpack::LayerView view, layer.acquire());
    const double wait = seconds_since(asked);
    if (layer.info().id == 0) {
      first = seconds_since(begin);
    } else {
      waited += wait;
      longest = std::max(longest, wait);
    }
    bytes += layer.info().nbytes;
    consume(view, Clock::now(), static_cast<double>(layer.info().nbytes) / pace);
    layer.release();
  }
  const double total = seconds_since(begin);
  const wpack::AccessStats stats = container.stats();
  return nlohmann::json{{"total_seconds", total},
                        {"cpu_seconds", cpu_seconds()},
                        {"first_layer_seconds", first},
                        {"waited_seconds", waited},
                        {"longest_wait_seconds", longest},
                        {"waited_share", waited / (total - first)},
                        {"bytes", bytes},
                        {"peak_memory_bytes", stats.peak_memory_bytes}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: stream CONTAINER BUDGET_BYTES BYTES_PER_SECOND READAHEAD_LAYERS\n";
    return 2;
  }
  const wpack::OpenOptions options{
      .readahead_layers = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10)),
      .memory_budget = std::strtoull(argv[2], nullptr, 10)};
  const double pace = std::atof(argv[3]);
  if (!(pace > 0)) {
    std::cerr << "stream: '" << argv[3] << "' is no number of bytes a second\n";
    return 2;
  }
  const auto report = stream(argv[1], options, pace);
  if (!report) {
    std::cerr << report.error().message() << '\n';
    return 1;
  }
  std::cout << *report << '\n';
  return 0;
}
