#include "os/page_size.h"

#include <unistd.h>

namespace wpack::os {

std::uint64_t system_page_size() noexcept {
  static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

}  // namespace wpack::os
