// Runs another program to its end and says what it took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wpack/error.h"

namespace wpack::cli {

struct ProcessRun {
  std::string out;                   // stdout, at most 16 MiB of it
  double seconds = 0;                // wall, from the call that starts it to its end
  double cpu_seconds = 0;            // user and system mode, of it and the children it waited for
  std::uint64_t peak_rss_bytes = 0;  // most resident memory, the page cache's pages included
};

// Runs `command` (a program, found through PATH where it has no slash, and its arguments) with
// /dev/null as its stdin. Returns when it has ended.
// Errors: kIo with ENOENT (no such program), kIo (it cannot be started), kInternal (it failed: the
// message is the last line that it wrote to stderr, or its exit status or signal).
[[nodiscard]] Result<ProcessRun> run_process(const std::vector<std::string>& command);

// Returns the path of this program's file. Errors: kIo.
[[nodiscard]] Result<std::string> this_program();

}  // namespace wpack::cli
