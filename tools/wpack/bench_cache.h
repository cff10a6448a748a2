// Puts files out of the page cache or into it, and proves it.
//
// A cache state that was not proven is an error here, never a figure. The proof is mincore(2),
// which tells the truth only about files that the caller owns or may write; of others nothing is
// claimed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wpack/error.h"

namespace wpack::cli {

struct Residency {
  std::uint64_t resident_bytes = 0;  // in the page cache, in whole pages
  std::uint64_t total_bytes = 0;     // of the files, in whole pages
};

// Returns how much of `files` is in the page cache. Errors: kIo (a file cannot be opened or
// mapped), kUnsupportedHost (the kernel would not tell of a file that somebody else owns).
[[nodiscard]] Result<Residency> residency(const std::vector<std::string>& files);

// Asks the kernel to drop `files` from the page cache, and proves nothing.
void drop_from_cache(const std::vector<std::string>& files);

// Drops `files` from the page cache: with posix_fadvise(DONTNEED), and where pages stay, with
// /proc/sys/vm/drop_caches, which only the superuser may. Errors: kUnsupportedHost (pages stayed:
// the message says which part), and those of residency().
[[nodiscard]] Status make_cold(const std::vector<std::string>& files);

// Reads all of `files` until every page is in the page cache. Errors: kLimit (they do not stay
// there), kIo, and those of residency().
[[nodiscard]] Status make_warm(const std::vector<std::string>& files);

// What the kernel says of memory, in bytes; 0 where it does not say.
struct MemoryState {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  std::uint64_t cached_bytes = 0;  // of files, everybody's
};
[[nodiscard]] MemoryState memory_state();

}  // namespace wpack::cli
