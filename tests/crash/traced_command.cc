#include "crash/traced_command.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace wpack::crash {
namespace {

namespace fs = std::filesystem;
using CallInfo = __ptrace_syscall_info;

std::vector<CallShape> watched_shapes(Watch watch) {
  std::vector<CallShape> shapes(changing_calls().begin(), changing_calls().end());
  if (watch == Watch::kChanges) return shapes;
  for (const CallShape& shape : looking_calls()) {
    std::erase_if(shapes, [&](const CallShape& other) { return other.number == shape.number; });
    shapes.push_back(shape);
  }
  return shapes;
}

std::map<long, CallShape> by_number(const std::vector<CallShape>& shapes) {
  std::map<long, CallShape> map;
  for (const CallShape& shape : shapes) map.emplace(shape.number, shape);
  return map;
}

// A filter that stops at these calls for the tracer.
std::vector<sock_filter> make_filter(const std::vector<CallShape>& shapes) {
  const auto load = [](std::size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  };
  std::vector<sock_filter> filter = {load(offsetof(seccomp_data, nr))};
  for (const CallShape& shape : shapes) {
    const bool conditional = shape.condition != Operand::kNone;
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(shape.number),
                              0, static_cast<std::uint8_t>(conditional ? 4 : 1)));
    if (conditional) {
      filter.push_back(load(offsetof(seccomp_data, args) +
                            sizeof(std::uint64_t) * static_cast<std::size_t>(shape.condition)));
      filter.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, shape.bits, 1, 0));
      filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return filter;
}

// In the child: a group of its own, a tracer, and then the filter.
void become_traced(std::vector<sock_filter>& filter) {
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                           .filter = filter.data()};
  if (::setpgid(0, 0) != 0 || ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0 ||
      ::raise(SIGSTOP) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(125);
  }
}

void resume(__ptrace_request how, pid_t thread, int signal = 0) {
  // A thread that has been killed meanwhile is gone, which is as good.
  if (::ptrace(how, thread, nullptr, static_cast<long>(signal)) != 0 && errno != ESRCH)
    throw std::runtime_error("ptrace cannot resume");
}

std::string read_link(const std::string& link) {
  std::error_code ignored;
  return fs::read_symlink(link, ignored).string();
}

std::string read_memory(pid_t thread, std::uint64_t address, std::size_t size) {
  std::string bytes(size, '\0');
  iovec mine{.iov_base = bytes.data(), .iov_len = size};
  iovec theirs{.iov_base = reinterpret_cast<void*>(address), .iov_len = size};
  const ssize_t got = ::process_vm_readv(thread, &mine, 1, &theirs, 1, 0);
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

std::string read_text(pid_t thread, std::uint64_t address) {
  constexpr std::size_t kPage = 4096;
  std::string text;
  for (;;) {
    const std::string part = read_memory(thread, address, kPage - address % kPage);
    const std::size_t end = part.find('\0');
    text += part.substr(0, end);
    if (end != std::string::npos || part.empty() || text.size() > kPage) return text;
    address += part.size();
  }
}

std::string path_of(pid_t thread, const Operand& operand, const CallInfo& info) {
  const std::string proc = "/proc/" + std::to_string(thread);
  const auto argument = [&](int index) { return info.seccomp.args[index]; };
  const auto opened = [&](int index) {
    const auto fd = static_cast<int>(argument(index));
    return read_link(fd == AT_FDCWD ? proc + "/cwd" : proc + "/fd/" + std::to_string(fd));
  };
  if (operand.descriptor != Operand::kNone) return opened(operand.descriptor);
  if (operand.path == Operand::kNone) return "";
  const fs::path named = read_text(thread, argument(operand.path));
  if (named.is_absolute()) return named.lexically_normal().string();
  const fs::path base =
      operand.directory == Operand::kNone ? read_link(proc + "/cwd") : opened(operand.directory);
  return named.empty() ? base.string() : (base / named).lexically_normal().string();
}

// The call is not made, and seems to have returned -`error`.
void skip_call(pid_t thread, int error) {
#if defined(__x86_64__)
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, thread, nullptr, &registers) != 0) return;
  registers.orig_rax = ~0ULL;
  registers.rax = static_cast<unsigned long long>(-static_cast<long long>(error));
  (void)::ptrace(PTRACE_SETREGS, thread, nullptr, &registers);
#elif defined(__aarch64__)
  user_regs_struct registers{};
  iovec all{.iov_base = &registers, .iov_len = sizeof registers};
  if (::ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &all) != 0) return;
  registers.regs[0] = static_cast<unsigned long long>(-static_cast<long long>(error));
  (void)::ptrace(PTRACE_SETREGSET, thread, NT_PRSTATUS, &all);
  int none = -1;
  iovec number{.iov_base = &none, .iov_len = sizeof none};
  (void)::ptrace(PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &number);
#else
#error "say here how a system call is skipped"
#endif
}

bool is_stop_at(int status, int event) { return status >> 8 == (SIGTRAP | (event << 8)); }

}  // namespace

TracedCommand::TracedCommand(const cli::Arguments& arguments, std::string folder, Watch watch)
    : folder_(std::move(folder)),
      shapes_(by_number(watched_shapes(watch))),
      command_(arguments,
               [filter = make_filter(watched_shapes(watch))]() mutable { become_traced(filter); }) {
  siginfo_t info{};
  // A child that ended is left to its owner.
  if (::waitid(P_PID, static_cast<id_t>(command_.pid()), &info, WEXITED | WSTOPPED | WNOWAIT) !=
          0 ||
      info.si_code != CLD_TRAPPED || ::waitpid(command_.pid(), nullptr, __WALL) < 0 ||
      ::ptrace(PTRACE_SETOPTIONS, command_.pid(), nullptr,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0) {
    throw std::runtime_error("the command cannot be traced");
  }
  held_ = command_.pid();
}

TracedCommand::~TracedCommand() {
  if (command_.pid() <= 0) return;
  (void)::kill(command_.pid(), SIGKILL);
  (void)run([](const SystemCall&) { return Action{}; });
}

std::optional<cli::Outcome> TracedCommand::run(const Before& before, const After& after) {
  const pid_t leader = command_.pid();
  if (held_) resume(pending_.contains(*held_) ? PTRACE_SYSCALL : PTRACE_CONT, *held_);
  held_.reset();
  while (!held_) {
    siginfo_t info{};
    if (::waitid(P_PGID, static_cast<id_t>(leader), &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) !=
        0) {
      if (errno == EINTR) continue;
      throw std::runtime_error("the traced command is lost");
    }
    const bool ended =
        info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED;
    if (ended && info.si_pid == leader) return command_.wait();
    int status = 0;
    if (::waitpid(info.si_pid, &status, __WALL | WNOHANG) == info.si_pid && WIFSTOPPED(status))
      on_stop(info.si_pid, status, before, after);
  }
  return std::nullopt;
}

void TracedCommand::on_stop(pid_t thread, int status, const Before& before, const After& after) {
  if (is_stop_at(status, PTRACE_EVENT_SECCOMP)) return on_call(thread, before);
  if (WSTOPSIG(status) == (SIGTRAP | 0x80)) return on_return(thread, after);
  const int signal = WSTOPSIG(status);
  // New threads begin with a stop, and other events look like a trap: neither is a signal for it.
  const bool is_signal = signal != SIGSTOP && signal != SIGTRAP;
  resume(PTRACE_CONT, thread, is_signal ? signal : 0);
}

void TracedCommand::on_call(pid_t thread, const Before& before) {
  std::optional<SystemCall> call = decode(thread);
  if (!call || !is_watched(*call)) return resume(PTRACE_CONT, thread);
  const Action action = before(*call);
  switch (action.kind) {
    case Action::Kind::kKillBefore:
      (void)::kill(command_.pid(), SIGKILL);
      return;
    case Action::Kind::kSkip:
    case Action::Kind::kFail:
      skip_call(thread, action.error);
      return resume(PTRACE_CONT, thread);
    case Action::Kind::kHold:
      held_ = thread;
      break;
    case Action::Kind::kKillAfter:
    case Action::Kind::kLetPass:
      resume(PTRACE_SYSCALL, thread);
  }
  pending_[thread] = {*std::move(call), action.kind == Action::Kind::kKillAfter};
}

void TracedCommand::on_return(pid_t thread, const After& after) {
  const auto found = pending_.find(thread);
  if (found == pending_.end()) return resume(PTRACE_CONT, thread);
  Pending pending = std::move(found->second);
  pending_.erase(found);
  CallInfo info{};
  (void)::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info);
  pending.call.result = info.exit.rval;
  if (pending.kill) {
    (void)::kill(command_.pid(), SIGKILL);
    return;
  }
  if (after) after(pending.call);
  resume(PTRACE_CONT, thread);
}

std::optional<SystemCall> TracedCommand::decode(pid_t thread) const {
  CallInfo info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_SECCOMP) {
    return std::nullopt;
  }
  const auto shape = shapes_.find(static_cast<long>(info.seccomp.nr));
  if (shape == shapes_.end()) return std::nullopt;
  SystemCall call;
  call.name = shape->second.name;
  std::ranges::copy(info.seccomp.args, call.arguments.begin());
  call.path = path_of(thread, shape->second.operand, info);
  call.second_path = path_of(thread, shape->second.second, info);
  if (const int data = shape->second.data; data != Operand::kNone && is_watched(call)) {
    call.data = read_memory(thread, info.seccomp.args[data], info.seccomp.args[data + 1]);
  }
  return call;
}

bool TracedCommand::is_watched(const SystemCall& call) const {
  const auto inside = [&](const std::string& path) {
    return path == folder_ || path.starts_with(folder_ + "/");
  };
  return inside(call.path) || inside(call.second_path);
}

std::string TracedCommand::unavailable() {
  try {
    bool seen = false;
    // Where the dynamic loader looks first.
    TracedCommand command({"--version"}, "/etc", Watch::kEverything);
    const auto outcome = command.run([&](const SystemCall&) {
      seen = true;
      return Action{};
    });
    return outcome && outcome->status == 0 && seen ? "" : "system calls cannot be stopped at";
  } catch (const std::runtime_error& error) {
    return error.what();
  }
}

}  // namespace wpack::crash
