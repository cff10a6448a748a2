// What the terminal behind a standard stream can show.
#pragma once

#include <cstddef>

namespace wpack::cli {

// True if `fd` is a terminal.
[[nodiscard]] bool is_terminal(int fd);

// Returns the width of the terminal `fd`; 80 where it does not say.
[[nodiscard]] std::size_t terminal_columns(int fd);

// True if the environment does not speak against colours: NO_COLOR is not set, and TERM names a
// terminal that can do more than print.
[[nodiscard]] bool colors_wanted();

}  // namespace wpack::cli
