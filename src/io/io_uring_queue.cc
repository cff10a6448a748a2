#include "io/io_uring_queue.h"

#include <fmt/format.h>
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "os/os_error.h"
#include "os/resource_limits.h"

namespace wpack::io {
namespace {

constexpr std::uint64_t kNobody = std::uint64_t{1} << 32;  // no tag: an entry that was taken back

// What io_uring_submit() leaves stays in the ring and would go along with the next call, when its
// memory may be another's. So it is taken back: a no-operation stands in its place.
class IoUringQueue final : public KernelQueue {
 public:
  explicit IoUringQueue(RingSubmit ring_submit) : submit_(ring_submit) {}
  ~IoUringQueue() override {
    if (open_) ::io_uring_queue_exit(&ring_);
  }

  [[nodiscard]] Status open(std::uint32_t depth);
  int submit(std::span<const KernelRead> reads) noexcept override;
  int wait(std::span<KernelResult> results, std::uint32_t min_count) noexcept override;

 private:
  [[nodiscard]] int complete_nothing() noexcept;
  [[nodiscard]] int empty_ring() noexcept;
  void take_back(io_uring_sqe& entry) noexcept;

  const RingSubmit submit_;
  io_uring ring_{};
  bool open_ = false;
  std::vector<io_uring_sqe*> entries_;  // of this submission
  std::size_t taken_back_ = 0;          // still in the ring
};

// What blocks it is not always what errno says: containers answer for the kernel.
Error refused(int error) {
  switch (error) {
    case ENOSYS:
      return {ErrorCode::kUnsupportedHost, error,
              "io_uring: this kernel has none, or a filter of system calls hides it"};
    case EPERM:
    case EACCES: {
      const auto disabled = os::kernel_setting("kernel/io_uring_disabled");
      return {
          ErrorCode::kUnsupportedHost, error,
          fmt::format("io_uring: not permitted: kernel.io_uring_disabled is {}{}",
                      disabled ? fmt::format("{}", *disabled) : "unknown",
                      disabled.value_or(0) == 0 ? ", so a filter of system calls blocks it" : "")};
    }
    case ENOMEM:
      return {ErrorCode::kLimit, error,
              "io_uring: no memory for a ring; before Linux 5.12 it counts against RLIMIT_MEMLOCK"};
    default:
      return os::os_error(error, "making a ring", "io_uring");
  }
}

Status IoUringQueue::open(std::uint32_t depth) {
  io_uring_params params{};
  const int status = ::io_uring_queue_init_params(depth, &ring_, &params);
  if (status < 0) return refused(-status);
  open_ = true;
  entries_.resize(depth);
  if ((params.features & IORING_FEAT_RW_CUR_POS) == 0)
    return Error(ErrorCode::kUnsupportedHost, "io_uring: this kernel is older than Linux 5.6");
  const int nothing = complete_nothing();
  if (nothing < 0) return refused(-nothing);
  return {};
}

// Proves that the ring works: making one may be allowed where using it is not.
int IoUringQueue::complete_nothing() noexcept {
  ::io_uring_prep_nop(::io_uring_get_sqe(&ring_));
  int status = 0;
  do status = ::io_uring_submit(&ring_);
  while (status == -EINTR || status == -EAGAIN);
  if (status < 0) return status;
  io_uring_cqe* entry = nullptr;
  do status = ::io_uring_wait_cqe(&ring_, &entry);
  while (status == -EINTR || status == -EAGAIN);
  if (status < 0) return status;
  status = entry->res;
  ::io_uring_cqe_seen(&ring_, entry);
  return status;
}

int IoUringQueue::submit(std::span<const KernelRead> reads) noexcept {
  if (const int status = empty_ring(); status < 0) return status;
  std::size_t count = 0;
  for (; count < std::min(reads.size(), entries_.size()); ++count) {
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
    if (entry == nullptr) break;
    const KernelRead& read = reads[count];
    ::io_uring_prep_read(entry, read.fd, read.out.data(), static_cast<unsigned>(read.out.size()),
                         read.offset);
    if (read.in_thread) ::io_uring_sqe_set_flags(entry, IOSQE_ASYNC);
    entry->user_data = read.tag;
    entries_[count] = entry;
  }
  const int taken = submit_(&ring_);
  for (auto i = static_cast<std::size_t>(std::max(taken, 0)); i < count; ++i)
    take_back(*entries_[i]);
  return taken != 0 ? taken : -EAGAIN;
}

void IoUringQueue::take_back(io_uring_sqe& entry) noexcept {
  ::io_uring_prep_nop(&entry);
  entry.user_data = kNobody;
  ++taken_back_;
}

// Entries that were taken back go before all others, or few of these would ever get their turn.
int IoUringQueue::empty_ring() noexcept {
  if (taken_back_ == 0) return 0;
  const int submitted = submit_(&ring_);
  if (submitted < 0) return submitted;
  taken_back_ -= std::min(static_cast<std::size_t>(submitted), taken_back_);
  return taken_back_ == 0 ? 0 : -EAGAIN;
}

int IoUringQueue::wait(std::span<KernelResult> results, std::uint32_t min_count) noexcept {
  io_uring_cqe* entry = nullptr;
  if (min_count > 0) {
    const int status = ::io_uring_wait_cqe_nr(&ring_, &entry, min_count);
    if (status < 0) return status;
  }
  std::size_t count = 0;
  while (count < results.size() && ::io_uring_peek_cqe(&ring_, &entry) == 0) {
    if (entry->user_data != kNobody)
      results[count++] = {static_cast<std::uint32_t>(entry->user_data), entry->res};
    ::io_uring_cqe_seen(&ring_, entry);
  }
  return static_cast<int>(count);
}

}  // namespace

Result<std::unique_ptr<KernelQueue>> make_io_uring_queue(std::uint32_t depth, RingSubmit submit) {
  auto queue = std::make_unique<IoUringQueue>(submit);
  WPACK_TRY(queue->open(depth));
  return std::unique_ptr<KernelQueue>(std::move(queue));
}

Result<std::unique_ptr<KernelQueue>> make_io_uring_queue(std::uint32_t depth) {
  return make_io_uring_queue(depth, ::io_uring_submit);
}

}  // namespace wpack::io
