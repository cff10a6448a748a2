// What Ctrl-C (SIGINT), SIGTERM and a closed terminal (SIGHUP, unless it is ignored) do.
#pragma once

namespace wpack::cli {

// They end the process at once with exit status 130 and one line on stderr: for work that changes
// nothing.
void exit_on_signal();

// They make interrupted() true, for work that must clean up behind itself. A second one, more than
// a second after the first, ends the process at once; what it leaves is swept by the next run.
void cancel_on_signal();

[[nodiscard]] bool interrupted() noexcept;

}  // namespace wpack::cli
