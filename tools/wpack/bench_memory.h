// Memory that is taken away from the machine before a run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "wpack/error.h"

namespace wpack::cli {

// A process of its own that holds memory. A process that measures others must not hold it itself:
// the kernel would count it as theirs (ru_maxrss).
class MemoryHolder {
 public:
  // Holds nothing.
  MemoryHolder() = default;
  // Starts a process that touches `size` bytes of fresh memory, in huge pages where the kernel has
  // them. Returns when all are touched. Call it while this process has no other thread. Errors:
  // kIo (no such memory, or no process).
  [[nodiscard]] static Result<MemoryHolder> start(std::uint64_t size);
  MemoryHolder(MemoryHolder&& other) noexcept;
  MemoryHolder(const MemoryHolder&) = delete;
  MemoryHolder& operator=(const MemoryHolder&) = delete;
  MemoryHolder& operator=(MemoryHolder&&) = delete;
  // The memory is free when it returns.
  ~MemoryHolder();

  // Returns the seconds a gigabyte that touching the last 64 MiB of it took (all, if it is less);
  // nullopt of nothing.
  [[nodiscard]] std::optional<double> first_touch() const { return first_touch_; }

 private:
  pid_t pid_ = -1;
  int socket_ = -1;  // its other end is the process's
  std::optional<double> first_touch_;
};

}  // namespace wpack::cli
