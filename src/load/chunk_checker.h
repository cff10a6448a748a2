// Checking stored bytes against the checksums of their chunks, and remembering what was checked.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "load/access_counters.h"
#include "load/index_reader.h"
#include "load/read_planner.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class ChunkChecker {
 public:
  // Both outlive the checker.
  ChunkChecker(const OpenedIndex& index, AccessCounters& counters);

  // Checks the stored bytes of chunk `chunk` of `extent`.
  // Errors: kIntegrity with file, tensor and offset.
  [[nodiscard]] Status check(std::uint32_t extent, std::uint32_t chunk, Bytes stored);

  // Checks those of `chunks` that no call has found sound before; `stored` holds the whole extent
  // as it is mapped. Two threads that ask for a chunk at the same moment may both compute it.
  [[nodiscard]] Status check_once(std::uint32_t extent, ChunkSpan chunks, Bytes stored);
  // True if check_once() of `chunks` would have nothing to do.
  [[nodiscard]] bool all_checked(std::uint32_t extent, ChunkSpan chunks) const noexcept;

  // Takes every chunk as checked, after somebody else did.
  void set_all_checked() noexcept;

 private:
  [[nodiscard]] bool is_checked(std::uint64_t chunk) const noexcept;
  void set_checked(std::uint64_t chunk) noexcept;

  const OpenedIndex& index_;
  AccessCounters& counters_;
  std::vector<std::atomic<std::uint64_t>> checked_;  // one bit a chunk of the index
};

// Returns what messages call an extent: the tensor or attachment that it holds (the first, if it
// holds several), else its number.
[[nodiscard]] std::string describe_extent(const format::Index& index, std::uint32_t extent);

}  // namespace wpack::load
