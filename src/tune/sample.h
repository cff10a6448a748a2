// Measuring one way of reading once.
#pragma once

#include <chrono>

#include "wpack/async_reader.h"
#include "wpack/error.h"
#include "wpack/progress.h"
#include "wpack/tune.h"
#include "wpack/types.h"

namespace wpack::tuning {

using Clock = std::chrono::steady_clock;

// What is read, and until when.
struct SampleTask {
  int fd = -1;
  ByteRange window;         // not empty; begins and ends at a multiple of 4,096
  MutableBytes memory;      // at least depth * block_size bytes, touched before
  Clock::time_point until;  // no request is made from then on, but for the first `depth`
};

struct SampleResult {
  ReadSample sample;
  std::uint64_t end = 0;    // of what was read of the window
  std::uint64_t bytes = 0;  // that were read
};

// Reads the window from its front in requests of `shape`, with as many in flight as it says, and
// measures that. `keep_going` is asked between completions. Errors: those of the reads, kCancelled.
[[nodiscard]] Result<SampleResult> read_sample(AsyncReader& reader, const ReadShape& shape,
                                               const SampleTask& task, const KeepGoing& keep_going);

}  // namespace wpack::tuning
