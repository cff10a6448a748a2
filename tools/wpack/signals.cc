#include "signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <ctime>
#include <string_view>

#include "exit_status.h"

namespace wpack::cli {
namespace {

// Seconds of the monotonic clock at the first signal; 0 while there was none. Lock-free, as a
// signal handler needs it.
std::atomic<std::time_t> first_signal_seconds{0};
static_assert(std::atomic<std::time_t>::is_always_lock_free);

// Handlers call async-signal-safe functions only.
extern "C" void exit_now(int /*signal*/) {
  constexpr std::string_view kMessage = "wpack: error: interrupted\n";
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(kExitInterrupted);
}

extern "C" void request_cancel(int signal) {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  // The clock may read 0 in the first second after a boot.
  const std::time_t seconds = now.tv_sec + 1;
  std::time_t first = 0;
  if (first_signal_seconds.compare_exchange_strong(first, seconds)) return;
  if (seconds > first + 1) exit_now(signal);
}

void handle_signals(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  (void)::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  (void)::sigaction(SIGINT, &action, nullptr);
  (void)::sigaction(SIGTERM, &action, nullptr);
  struct sigaction hangup {};
  (void)::sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) (void)::sigaction(SIGHUP, &action, nullptr);
}

}  // namespace

void exit_on_signal() { handle_signals(exit_now); }

void cancel_on_signal() { handle_signals(request_cancel); }

bool interrupted() noexcept { return first_signal_seconds.load() != 0; }

}  // namespace wpack::cli
