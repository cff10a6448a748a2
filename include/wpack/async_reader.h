// The seam between loading and input/output: batches of reads are submitted and their completions
// polled. Engines differ in how they read, never in what they promise here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/types.h"

namespace wpack {

// Read `out.size()` bytes at `offset` of the open file `fd` into `out`.
struct ReadRequest {
  int fd = -1;  // borrowed: stays open until the completion is polled
  std::uint64_t offset = 0;
  MutableBytes out;             // borrowed: stays valid until the completion is polled
  std::uint64_t user_data = 0;  // comes back in the completion
};

// The end of one request: success means that every byte of `out` was filled.
struct ReadCompletion {
  std::uint64_t user_data = 0;
  std::optional<Error> error;  // operation, size, offset and cause; the caller adds the file's name
};

// What reads past the page cache (O_DIRECT) must keep, in bytes; powers of two up to 1 MiB. It
// depends on the file system and the disk below.
struct DirectAlignment {
  std::uint64_t offset = 4096;  // of offset and size
  std::uint64_t memory = 4096;
  friend bool operator==(const DirectAlignment&, const DirectAlignment&) = default;
};

// What an engine asks of its requests; data, so that a planner can honour it. Alignments are powers
// of two.
struct ReadLimits {
  std::uint32_t max_in_flight = 1;
  std::uint64_t offset_alignment = 1;  // bytes; of ReadRequest::offset
  std::uint64_t memory_alignment = 1;  // bytes; of out.data()
  std::uint64_t size_alignment = 1;    // bytes; of out.size()
};

// Every accepted request completes exactly once, with all its bytes or with an error, also when
// it is cancelled. Completions come in any order. A short read is continued; a read that meets the
// end of the file is kIo, and the error names the offset where the file ends. What the kernel puts
// off (EINTR, EAGAIN, ECANCELED) is tried again, then reported: no call waits for ever.
//
// Thread safety: one thread at a time submits and polls; cancel() may come from any thread.
//
// A reader belongs to the process that made it. In a child that fork() leaves, submit() fails,
// poll() returns 0, cancel() does nothing, and the destructor leaves what the parent reads alone
// (and the reader's own memory and descriptors as they are).
class WPACK_EXPORT AsyncReader {
 public:
  AsyncReader() = default;
  AsyncReader(const AsyncReader&) = delete;
  AsyncReader& operator=(const AsyncReader&) = delete;
  // Waits for what is in flight; completions that were not polled are dropped.
  virtual ~AsyncReader() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  [[nodiscard]] virtual ReadLimits limits() const noexcept = 0;

  // Accepts requests from the front and returns how many; fewer than all (even 0) means that the
  // engine is full: poll first. Errors: kInvalidArgument (a request breaks limits(), or the
  // reader belongs to another process): none of the batch is accepted.
  [[nodiscard]] virtual Result<std::size_t> submit(std::span<const ReadRequest> requests) = 0;

  // Fills `completions` from the front and returns how many. Waits until at least
  // min(`min_count`, completions.size(), requests in flight) are there.
  [[nodiscard]] virtual std::size_t poll(std::span<ReadCompletion> completions,
                                         std::size_t min_count) = 0;

  // Requests that have not started complete with kCancelled; the others run to their end.
  virtual void cancel() noexcept = 0;
};

// The engines. Those that read directly take the alignment of all files that they will read, which
// every request must keep; their descriptors are opened with O_DIRECT. Since sizes are aligned,
// too, only files whose size is a multiple of it can be read to their end.
//
// `depth` (1 to 4096) is how many requests are in flight in the kernel at most. What it took ends
// there: cancel() stops only what the kernel has not taken yet.
//
// Errors of all: kInvalidArgument (a number out of its range), kLimit (the host ran out of threads,
// descriptors, memory or asynchronous requests), kUnsupportedHost (this host or this build has no
// such engine; the message says what blocks it).

// "pread": calls pread() from `threads` threads of its own (1 to 64). Works on every host.
[[nodiscard]] WPACK_EXPORT Result<std::unique_ptr<AsyncReader>> make_pread_reader(
    std::uint32_t threads, std::optional<DirectAlignment> direct = std::nullopt);

// "libaio": the kernel's older interface. Only for direct reads: with any other descriptor submit()
// waits for the disk.
[[nodiscard]] WPACK_EXPORT Result<std::unique_ptr<AsyncReader>> make_libaio_reader(
    std::uint32_t depth, DirectAlignment direct);

// "io_uring": the newer one (Linux 5.6), which many containers forbid. Reads through the page cache
// are made by threads of the kernel, which copy side by side. Buffers and files are not
// registered with the ring: weights are read in pieces so large that it saves nothing, and
// registered memory would count against RLIMIT_MEMLOCK.
[[nodiscard]] WPACK_EXPORT Result<std::unique_ptr<AsyncReader>> make_io_uring_reader(
    std::uint32_t depth, std::optional<DirectAlignment> direct = std::nullopt);

// An engine, and whether this build and this host let it work.
struct EngineProbe {
  std::string_view name;         // as AsyncReader::name() says it; never dangles
  std::optional<Error> refused;  // why it does not work here; empty if it does
};

// Tries every engine by really using it, and returns them in the order in which they are preferred.
// A refusal is data, not an error: the next engine is taken. Thread safety: any thread.
[[nodiscard]] WPACK_EXPORT std::vector<EngineProbe> probe_engines();

}  // namespace wpack
