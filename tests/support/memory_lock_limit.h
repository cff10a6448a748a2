// A limit on the memory that the calling thread may lock, as long as the object lives; the right to
// pass it (CAP_IPC_LOCK) is laid down meanwhile.
#pragma once

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

namespace wpack::testing {

class MemoryLockLimit {
 public:
  explicit MemoryLockLimit(rlim_t size) {
    if (::getrlimit(RLIMIT_MEMLOCK, &old_limit_) != 0) throw std::runtime_error("getrlimit failed");
    const rlimit few = {size, old_limit_.rlim_max};
    if (::setrlimit(RLIMIT_MEMLOCK, &few) != 0) throw std::runtime_error("setrlimit failed");
    if (::syscall(SYS_capget, &header_, old_rights_) != 0)
      throw std::runtime_error("capget failed");
    __user_cap_data_struct fewer[2] = {old_rights_[0], old_rights_[1]};
    fewer[0].effective &= ~(1U << CAP_IPC_LOCK);
    if (::syscall(SYS_capset, &header_, fewer) != 0) throw std::runtime_error("capset failed");
  }
  MemoryLockLimit(const MemoryLockLimit&) = delete;
  MemoryLockLimit& operator=(const MemoryLockLimit&) = delete;
  ~MemoryLockLimit() {
    (void)::syscall(SYS_capset, &header_, old_rights_);
    (void)::setrlimit(RLIMIT_MEMLOCK, &old_limit_);
  }

 private:
  rlimit old_limit_{};
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct old_rights_[2]{};
};

}  // namespace wpack::testing
