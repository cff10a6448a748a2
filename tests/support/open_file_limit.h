// A limit on the files that this process may open, as long as the object lives.
#pragma once

#include <sys/resource.h>

#include <stdexcept>

namespace wpack::testing {

class OpenFileLimit {
 public:
  explicit OpenFileLimit(rlim_t count) {
    if (::getrlimit(RLIMIT_NOFILE, &old_) != 0) throw std::runtime_error("getrlimit failed");
    const rlimit few = {count, old_.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) throw std::runtime_error("setrlimit failed");
  }
  OpenFileLimit(const OpenFileLimit&) = delete;
  OpenFileLimit& operator=(const OpenFileLimit&) = delete;
  ~OpenFileLimit() { (void)::setrlimit(RLIMIT_NOFILE, &old_); }

 private:
  rlimit old_{};
};

}  // namespace wpack::testing
