#include "terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <string>

#include "system.h"

namespace wpack::cli {

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::size_t terminal_columns(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

bool colors_wanted() {
  const std::string terminal = environment("TERM");
  return environment("NO_COLOR").empty() && !terminal.empty() && terminal != "dumb";
}

}  // namespace wpack::cli
