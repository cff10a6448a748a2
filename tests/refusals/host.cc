#include "refusals/host.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace wpack::refusals {
namespace {

void install(sock_filter* filter, std::size_t size) {
  const sock_fprog program{.len = static_cast<unsigned short>(size), .filter = filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(kSetupRefused);
}

// Filters this process and what it becomes. Called in a child: it allocates nothing.
void install(const FailingCall& call) {
  const auto failure =
      SECCOMP_RET_ERRNO | (static_cast<std::uint32_t>(call.error) & SECCOMP_RET_DATA);
  if (call.flag == 0) {
    sock_filter every[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, failure),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(every, std::size(every));
  }
  // The low half of an argument holds every flag.
  const auto argument =
      static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * std::size_t{call.argument});
  sock_filter with_flag[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, call.flag, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, failure),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  install(with_flag, std::size(with_flag));
}

}  // namespace

bool can_filter_system_calls() {
  const pid_t child = ::fork();
  if (child == 0) {
    install({.number = ~0U, .error = EPERM});
    ::_exit(0);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

Command::ChildSetup failing(FailingCall call) {
  return [call] { install(call); };
}

}  // namespace wpack::refusals
