// Every engine, for the suites that run over all of them.
#pragma once

#include <string_view>

#include "io/async_reader_conformance.h"
#include "io/faulty_kernel.h"
#include "io/queue_reader.h"
#include "io/read_limits.h"

namespace wpack::testing {

inline constexpr std::uint32_t kDepth = 32;

// The engine `name` of kEngines over a kernel that goes wrong.
inline Result<std::unique_ptr<AsyncReader>> make_faulty_engine(
    std::string_view name, const std::optional<DirectAlignment>& direct,
    const std::shared_ptr<FaultyKernel>& kernel) {
  if (name.starts_with("pread")) return io::make_pread_reader(2, direct, faulty_pread(kernel));
  WPACK_ASSIGN(const ReadLimits limits, io::make_queue_limits(kDepth, direct));
  WPACK_ASSIGN(auto queue,
               name == "libaio" ? io::make_libaio_queue(kDepth) : io::make_io_uring_queue(kDepth));
  auto faulty = std::make_unique<FaultyQueue>(std::move(queue), kernel);
  return std::unique_ptr<AsyncReader>(
      std::make_unique<io::QueueReader>(name, std::move(faulty), limits));
}

inline const AsyncReaderCase kEngines[] = {
    {"pread", [](const auto& direct) { return make_pread_reader(4, direct); }},
    {"pread_direct", [](const auto& direct) { return make_pread_reader(4, direct); }, true},
    {"libaio", [](const auto& direct) { return make_libaio_reader(kDepth, *direct); }, true},
    {"io_uring", [](const auto& direct) { return make_io_uring_reader(kDepth, direct); }},
    {"io_uring_direct", [](const auto& direct) { return make_io_uring_reader(kDepth, direct); },
     true},
};

}  // namespace wpack::testing
