// The wpack command, stopped at its system calls: to see them, to make one fail, to kill the
// process before or after one took effect, or to hold it there.
//
// strace counts the calls that it injects at by thread and by name. A crash is a point in the order
// of all calls of all threads, so this is done with ptrace itself, and a seccomp filter that lets
// all other calls pass at full speed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "crash/system_calls.h"

namespace wpack::crash {

// A call that works on a file in the watched folder.
struct SystemCall {
  std::string_view name;
  std::array<std::uint64_t, 6> arguments{};
  std::string path = {};         // absolute
  std::string second_path = {};  // of calls with two names, or ""
  std::string data = {};         // of write and pwrite64
  std::int64_t result = 0;       // once it has returned: below 0, -errno
};

// What happens at a call.
struct Action {
  enum class Kind {
    kLetPass,
    kSkip,  // it is not made, and seems to have succeeded
    kFail,
    kKillBefore,
    kKillAfter,
    kHold,
  };
  Kind kind = Kind::kLetPass;
  int error = 0;  // of kFail
};

enum class Watch { kChanges, kEverything };

class TracedCommand {
 public:
  // Calls that work on nothing in `folder`, an absolute path without links, are not seen.
  TracedCommand(const cli::Arguments& arguments, std::string folder, Watch watch);
  TracedCommand(const TracedCommand&) = delete;
  TracedCommand& operator=(const TracedCommand&) = delete;
  ~TracedCommand();

  // Asked before each call, and told after each that was let pass.
  using Before = std::function<Action(const SystemCall&)>;
  using After = std::function<void(const SystemCall&)>;

  // Lets it run to its end, or to a call at which it is held (nullopt), from where the next run()
  // lets it go on with that call.
  [[nodiscard]] std::optional<cli::Outcome> run(const Before& before, const After& after = {});

  // Why commands cannot be traced here, or "".
  [[nodiscard]] static std::string unavailable();

 private:
  // A call that is being made, until it returns.
  struct Pending {
    SystemCall call;
    bool kill = false;
  };

  void on_stop(pid_t thread, int status, const Before& before, const After& after);
  void on_call(pid_t thread, const Before& before);
  void on_return(pid_t thread, const After& after);
  [[nodiscard]] std::optional<SystemCall> decode(pid_t thread) const;
  [[nodiscard]] bool is_watched(const SystemCall& call) const;

  std::string folder_;
  std::map<long, CallShape> shapes_;
  cli::Command command_;
  std::map<pid_t, Pending> pending_;
  std::optional<pid_t> held_;
};

}  // namespace wpack::crash
