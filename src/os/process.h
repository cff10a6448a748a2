// Telling whether fork() lies between then and now.
#pragma once

#include <unistd.h>

namespace wpack::os {

// Remembers the process in which it was made. In a child that was forked since, threads are gone
// and locks may be held for ever: whoever has either must look here first.
//
// Thread safety: all functions, from several threads at once.
class ProcessMark {
 public:
  [[nodiscard]] bool is_other_process() const noexcept { return ::getpid() != process_; }

 private:
  const ::pid_t process_ = ::getpid();
};

}  // namespace wpack::os
