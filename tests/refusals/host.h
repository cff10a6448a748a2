// Hosts that refuse, for one run of the command: each function returns a ChildSetup.
#pragma once

#include "cli/command.h"

namespace wpack::refusals {

using cli::Command;

// What a run exits with where the host does not let a setup do its work.
inline constexpr int kSetupRefused = 125;

// True if seccomp filters can be installed here.
[[nodiscard]] bool can_filter_system_calls();

// Makes a system call fail with `error`: every one, or, with `flag`, those whose argument number
// `argument` has that bit.
struct FailingCall {
  unsigned number = 0;
  int error = 0;
  unsigned argument = 0;
  unsigned flag = 0;
};
[[nodiscard]] Command::ChildSetup failing(FailingCall call);

}  // namespace wpack::refusals
