// What a read still lacks after each answer of the kernel. Every loop that reads shares it: pread()
// in a loop, libaio, io_uring.
#pragma once

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <optional>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

// One transfer never asks for more than Linux would do at once (0x7ffff000 bytes).
inline constexpr std::uint64_t kMaxTransfer = std::uint64_t{1} << 30;

// A read that goes on after a short one, until all is there or something says why it cannot be.
// EINTR is always tried again; EAGAIN and ECANCELED, which asynchronous reads may end with, up to
// kMaxRetries times in a row. Two reads in a row that end at the same place say that the file ends
// there.
class ReadProgress {
 public:
  static constexpr std::uint32_t kMaxRetries = 100;

  // Fills `out` from `offset` of a file. `granule` is a power of two: what is read again starts at
  // a multiple of it from the start, which keeps a direct read aligned; 1 for a buffered one.
  ReadProgress(std::uint64_t offset, MutableBytes out, std::uint64_t granule = 1) noexcept
      : start_(offset), out_(out), granule_(granule) {}

  [[nodiscard]] bool finished() const noexcept { return error_ || filled_ == out_.size(); }
  // The next read: only while it is not finished.
  [[nodiscard]] std::uint64_t offset() const noexcept { return start_ + filled_; }
  [[nodiscard]] MutableBytes rest() const noexcept;
  // True if the kernel put the next read off already.
  [[nodiscard]] bool retried() const noexcept { return retries_ > 0; }

  // What the kernel answered to that read: how many bytes it filled, or -errno. Where there is no
  // memory for what went wrong, the error says less.
  void advance(std::int64_t result) noexcept;
  // Ends it with an error that names the next read; `error` is an errno.
  void fail(int error) noexcept;

  // Why not every byte was read; nothing if every one was. Only when it is finished, and once.
  [[nodiscard]] std::optional<Error> take_error() { return std::move(error_); }

 private:
  [[nodiscard]] Error ends_too_soon(std::uint64_t end) const noexcept;

  std::uint64_t start_;
  MutableBytes out_;
  std::uint64_t granule_;
  std::uint64_t filled_ = 0;   // whole granules, except at the end
  std::uint64_t reached_ = 0;  // where the last read ended
  std::uint32_t retries_ = 0;
  std::optional<Error> error_;
};

// Fills `out` from `offset` of `fd` with calls of `pread`, which is pread(2) or behaves like it.
// Errors: what the call failed with, and kIo where the file ends too soon.
template <typename Pread>
[[nodiscard]] Status read_fully(const Pread& pread, int fd, std::uint64_t offset, MutableBytes out,
                                std::uint64_t granule = 1) {
  ReadProgress progress(offset, out, granule);
  while (!progress.finished()) {
    const MutableBytes rest = progress.rest();
    const ssize_t got = pread(fd, rest.data(), rest.size(), static_cast<off_t>(progress.offset()));
    progress.advance(got >= 0 ? got : -errno);
  }
  if (auto error = progress.take_error()) return *std::move(error);
  return {};
}

}  // namespace wpack::os
