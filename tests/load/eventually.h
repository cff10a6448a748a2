// Waiting for what another thread is about to do.
#pragma once

#include <chrono>
#include <thread>

namespace wpack::testing {

// Waits until `condition` holds; false if it does not within seconds.
template <typename Condition>
[[nodiscard]] bool eventually(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace wpack::testing
