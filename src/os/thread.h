// Starting a thread without an exception.
#pragma once

#include <cstddef>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "os/os_error.h"
#include "wpack/error.h"

namespace wpack::os {

// Starts a thread that runs `body`; the caller joins it. Errors: kLimit (the system has none left,
// or no memory). Nothing is thrown: the caller may have threads that he has to join.
template <typename Body>
[[nodiscard]] Result<std::thread> start_thread(Body&& body) noexcept {
  try {
    try {
      return std::thread(std::forward<Body>(body));
    } catch (const std::system_error& error) {
      const int code = error.code().value();
      return Error(ErrorCode::kLimit, code, "start of a thread failed: " + errno_text(code));
    }
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kLimit, "out of memory");  // so short that it takes none
  }
}

// Adds up to `count` threads that run `body` to `threads`, as many as the system has; the caller
// joins them. Those that do not start are done without.
template <typename Body>
void start_threads(std::vector<std::thread>& threads, std::size_t count, const Body& body) {
  threads.reserve(threads.size() + count);
  for (std::size_t i = 0; i < count; ++i) {
    auto thread = start_thread(body);
    if (!thread) return;
    threads.push_back(*std::move(thread));
  }
}

}  // namespace wpack::os
