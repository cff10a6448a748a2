#include "bench_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "process_usage.h"
#include "system.h"

namespace wpack::cli {
namespace {

constexpr std::uint64_t kTimedMemory = std::uint64_t{64} << 20;

// Returns the seconds a gigabyte that touching the last of it took, or -1 where there is no such
// memory. Huge pages are what the host of a virtual machine takes back and what costs most to have
// again.
double touch_fresh_memory(std::uint64_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return -1;
  (void)::madvise(address, size, MADV_HUGEPAGE);
  auto* bytes = static_cast<volatile std::byte*>(address);
  const auto touch = [bytes](std::uint64_t begin, std::uint64_t end) {
    constexpr std::uint64_t kPageSize = 4096;
    for (std::uint64_t i = begin; i < end; i += kPageSize) bytes[i] = std::byte{1};
  };
  const std::uint64_t timed = std::min(size, kTimedMemory);
  touch(0, size - timed);
  const Stopwatch stopwatch;
  touch(size - timed, size);
  return stopwatch.seconds() * 1e9 / static_cast<double>(timed);
}

// Ends when the other end of the socket is closed, also by the end of the process that has it.
[[noreturn]] void hold_memory(std::uint64_t size, int socket) {
  const double seconds = touch_fresh_memory(size);
  char byte = 0;
  if (::write(socket, &seconds, sizeof seconds) == sizeof seconds) {
    while (::read(socket, &byte, 1) < 0 && errno == EINTR) {
    }
  }
  ::_exit(0);
}

}  // namespace

Result<MemoryHolder> MemoryHolder::start(std::uint64_t size) {
  MemoryHolder holder;
  if (size == 0) return holder;
  const auto refuse = [size](int error) {
    return system_failure("take", fmt::format("{} bytes of memory", size), error);
  };
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return refuse(errno);
  holder.socket_ = sockets[0];
  holder.pid_ = ::fork();
  if (holder.pid_ == 0) {
    (void)::close(sockets[0]);
    hold_memory(size, sockets[1]);
  }
  const int error = errno;
  (void)::close(sockets[1]);
  if (holder.pid_ < 0) return refuse(error);
  double seconds = -1;
  ssize_t received = -1;
  do {
    received = ::read(holder.socket_, &seconds, sizeof seconds);
  } while (received < 0 && errno == EINTR);
  if (received != sizeof seconds || seconds < 0) return refuse(ENOMEM);
  holder.first_touch_ = seconds;
  return holder;
}

MemoryHolder::MemoryHolder(MemoryHolder&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      first_touch_(std::exchange(other.first_touch_, std::nullopt)) {}

MemoryHolder::~MemoryHolder() {
  if (socket_ >= 0) (void)::close(socket_);
  if (pid_ < 0) return;
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace wpack::cli
