// How much of a file the page cache holds.
#pragma once

#include <cstdint>

#include "wpack/host.h"
#include "wpack/types.h"

namespace wpack::os {

// Returns how many bytes of `range` of the file `fd` are in the page cache, by cachestat(2) (Linux
// 6.5), or else by mincore(2). Of a long range, pieces that are spread over it stand for the whole,
// so that asking costs microseconds. Errors: kUnsupportedHost (neither works, or the kernel tells
// only those who own or may write the file).
[[nodiscard]] Fact<std::uint64_t> resident_bytes(int fd, ByteRange range);

// The two ways, without choosing and without leaving anything out. Errors: kUnsupportedHost.
[[nodiscard]] Fact<std::uint64_t> resident_by_cachestat(int fd, ByteRange range);
[[nodiscard]] Fact<std::uint64_t> resident_by_mincore(int fd, ByteRange range);

}  // namespace wpack::os
