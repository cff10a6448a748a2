// libaio, which hands out -errno as its results.
#include <fmt/format.h>
#include <libaio.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <vector>

#include "io/kernel_queue.h"
#include "os/os_error.h"
#include "os/resource_limits.h"

namespace wpack::io {
namespace {

class LibaioQueue final : public KernelQueue {
 public:
  explicit LibaioQueue(std::uint32_t depth) : blocks_(depth), pointers_(depth), events_(depth) {}
  ~LibaioQueue() override {
    if (context_ != nullptr) (void)::io_destroy(context_);
  }

  // Returns 0 or -errno.
  [[nodiscard]] int open() noexcept {
    return ::io_setup(static_cast<int>(blocks_.size()), &context_);
  }

  int submit(std::span<const KernelRead> reads) noexcept override {
    const std::size_t count = std::min(reads.size(), blocks_.size());
    for (std::size_t i = 0; i < count; ++i) {
      const KernelRead& read = reads[i];
      ::io_prep_pread(&blocks_[i], read.fd, read.out.data(), read.out.size(),
                      static_cast<long long>(read.offset));
      // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel only carries it
      blocks_[i].data = reinterpret_cast<void*>(std::uintptr_t{read.tag});
      pointers_[i] = &blocks_[i];
    }
    const int taken = ::io_submit(context_, static_cast<long>(count), pointers_.data());
    return taken != 0 ? taken : -EAGAIN;
  }

  int wait(std::span<KernelResult> results, std::uint32_t min_count) noexcept override {
    timespec at_once{};
    const std::size_t room = std::min(results.size(), events_.size());
    const int count = ::io_getevents(context_, min_count, static_cast<long>(room), events_.data(),
                                     min_count == 0 ? &at_once : nullptr);
    for (int i = 0; i < count; ++i) {
      const io_event& event = events_[static_cast<std::size_t>(i)];
      const auto tag = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(event.data));
      results[static_cast<std::size_t>(i)] = {tag, static_cast<std::int64_t>(event.res)};
    }
    return count;
  }

 private:
  io_context_t context_ = nullptr;
  std::vector<iocb> blocks_;  // io_submit copies them
  std::vector<iocb*> pointers_;
  std::vector<io_event> events_;
};

// The two counters of the host tell whose fault it is.
Error setup_error(int error) {
  const auto setting = [](const char* name) {
    const auto value = os::kernel_setting(name);
    return value ? fmt::format("{}", *value) : std::string("unknown");
  };
  switch (error) {
    case EAGAIN:
      return {ErrorCode::kLimit, error,
              fmt::format("libaio: the host has no asynchronous requests left: fs.aio-nr is {} of "
                          "fs.aio-max-nr {}",
                          setting("fs/aio-nr"), setting("fs/aio-max-nr"))};
    case ENOSYS:
    case EPERM:
      return {ErrorCode::kUnsupportedHost, error,
              "libaio: this kernel has no io_setup, or a filter of system calls blocks it: " +
                  os::errno_text(error)};
    default:
      return os::os_error(error, "io_setup", "libaio");
  }
}

}  // namespace

Result<std::unique_ptr<KernelQueue>> make_libaio_queue(std::uint32_t depth) {
  auto queue = std::make_unique<LibaioQueue>(depth);
  const int status = queue->open();
  if (status < 0) return setup_error(-status);
  return std::unique_ptr<KernelQueue>(std::move(queue));
}

}  // namespace wpack::io
