#include "refusals/host.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string_view>

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
  if (call.which == FailingCall::Which::kEvery) {
    sock_filter every[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, failure),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(every, std::size(every));
  }
  const std::uint16_t test = call.which == FailingCall::Which::kWithFlag ? BPF_JSET : BPF_JEQ;
  const auto argument =
      static_cast<std::uint32_t>(offsetof(seccomp_data, args) + 8 * std::size_t{call.argument});
  sock_filter some[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
      BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), call.operand, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, failure),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  install(some, std::size(some));
}

bool write_to(const char* path, std::string_view text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

// Moves this process into a mount namespace of its own, as the root of a user namespace where that
// is allowed, so that it may mount.
bool enter_own_namespace() {
  const std::string user = "0 " + std::to_string(::getuid()) + " 1";
  const std::string group = "0 " + std::to_string(::getgid()) + " 1";
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) {
    return write_to("/proc/self/uid_map", user) && write_to("/proc/self/setgroups", "deny") &&
           write_to("/proc/self/gid_map", group);
  }
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

// What the keeper of a namespace does until it is killed. It says '1' when all is in place.
[[noreturn]] void keep_mounted(const std::filesystem::path& mount_point, const std::string& options,
                               bool read_only, int said) {
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const unsigned long flags = read_only ? MS_RDONLY : 0;
  const bool done = enter_own_namespace() &&
                    ::mount("tmpfs", mount_point.c_str(), "tmpfs", flags, options.c_str()) == 0;
  if (!done || ::write(said, "1", 1) != 1) ::_exit(kSetupRefused);
  for (;;) ::pause();
}

void enter(pid_t process, const char* kind, bool required) {
  const std::string path = "/proc/" + std::to_string(process) + "/ns/" + kind;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  // The user namespace is the test's own where none could be made.
  if ((fd < 0 || ::setns(fd, 0) != 0) && required) ::_exit(kSetupRefused);
  ::close(fd);
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

ChildSetup failing(const FailingCall& call) {
  return [call] { install(call); };
}

ChildSetup limited(int resource, rlim_t value) {
  return [=] {
    const rlimit limits{value, value};
    // Counts of coverage are written to a file as well.
    if (resource == RLIMIT_FSIZE) (void)::setenv("LLVM_PROFILE_FILE", "/dev/null", 1);
    if (::setrlimit(static_cast<__rlimit_resource>(resource), &limits) != 0) ::_exit(kSetupRefused);
  };
}

ChildSetup without_privileges() {
  return [] {
    for (const int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER}) {
      if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && ::geteuid() == 0)
        ::_exit(kSetupRefused);
    }
  };
}

OwnFileSystem::OwnFileSystem(const std::filesystem::path& mount_point, const std::string& options,
                             bool read_only)
    : mount_point_(mount_point) {
  int ends[2];
  if (::pipe(ends) != 0) return;
  keeper_ = ::fork();
  if (keeper_ == 0) keep_mounted(mount_point, options, read_only, ends[1]);
  ::close(ends[1]);
  char said = 0;
  mounted_ = keeper_ > 0 && ::read(ends[0], &said, 1) == 1;
  ::close(ends[0]);
}

OwnFileSystem::~OwnFileSystem() {
  if (keeper_ <= 0) return;
  (void)::kill(keeper_, SIGKILL);
  (void)::waitpid(keeper_, nullptr, 0);
}

ChildSetup OwnFileSystem::entered() const {
  return [this] {
    enter(keeper_, "user", false);
    enter(keeper_, "mnt", true);
  };
}

std::set<std::string> OwnFileSystem::names() const {
  const std::filesystem::path root = "/proc/" + std::to_string(keeper_) + "/root";
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root / mount_point_.relative_path()))
    names.insert(entry.path().filename());
  return names;
}

}  // namespace wpack::refusals
