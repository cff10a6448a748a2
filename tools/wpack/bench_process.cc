#include "bench_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <system_error>

#include "output.h"
#include "process_usage.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr std::size_t kMaxOutput = std::size_t{16} << 20;

std::string cause(int error) { return std::generic_category().message(error); }

// A file in memory that takes what a program writes, however much: a pipe would have to be emptied
// while the program runs, on the processors that are being measured.
class Capture {
 public:
  Capture() : fd_(::memfd_create("wpack-bench", MFD_CLOEXEC)) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() {
    if (fd_ >= 0) (void)::close(fd_);
  }

  [[nodiscard]] int fd() const { return fd_; }

  [[nodiscard]] std::string text() const {
    std::string text(kMaxOutput, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
      const ssize_t count =
          ::pread(fd_, text.data() + size, text.size() - size, static_cast<off_t>(size));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      size += static_cast<std::size_t>(count);
    }
    text.resize(size);
    return text;
  }

 private:
  int fd_;
};

std::string last_line(std::string text) {
  text.erase(text.find_last_not_of(" \n\r\t") + 1);
  const std::size_t end_of_line = text.rfind('\n');
  return end_of_line == std::string::npos ? text : text.substr(end_of_line + 1);
}

// Returns 0 or errno. The child gets the signals' default actions back: this program ignores some.
int spawn(const std::vector<std::string>& command, int out, int err, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  (void)::posix_spawn_file_actions_init(&actions);
  (void)::posix_spawnattr_init(&attributes);
  (void)::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  (void)::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  (void)::posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  sigset_t defaults;
  (void)::sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGXFSZ}) (void)::sigaddset(&defaults, signal);
  (void)::posix_spawnattr_setsigdefault(&attributes, &defaults);
  (void)::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words = command;
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const int error =
      ::posix_spawnp(&pid, pointers[0], &actions, &attributes, pointers.data(), environ);
  (void)::posix_spawn_file_actions_destroy(&actions);
  (void)::posix_spawnattr_destroy(&attributes);
  return error;
}

Status judge(const std::string& program, int wait_status, std::string errors) {
  if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) return {};
  const std::string last = one_line(last_line(std::move(errors)), 512);
  if (!last.empty()) return Error(ErrorCode::kInternal, last);
  return Error(ErrorCode::kInternal,
               WIFSIGNALED(wait_status)
                   ? fmt::format("{}: ended by signal {}", program, WTERMSIG(wait_status))
                   : fmt::format("{}: exit status {}", program, WEXITSTATUS(wait_status)));
}

}  // namespace

Result<ProcessRun> run_process(const std::vector<std::string>& command) {
  const std::string program = escape_name(command.front());
  const Capture out;
  const Capture err;
  if (out.fd() < 0 || err.fd() < 0) {
    return Error(ErrorCode::kLimit, errno, fmt::format("run {}: {}", program, cause(errno)));
  }
  pid_t pid = -1;
  const Stopwatch stopwatch;
  const int error = spawn(command, out.fd(), err.fd(), pid);
  if (error != 0) {
    return Error(ErrorCode::kIo, error, fmt::format("run {}: {}", program, cause(error)));
  }
  int wait_status = 0;
  rusage usage{};
  while (::wait4(pid, &wait_status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    return Error(ErrorCode::kInternal, errno,
                 fmt::format("wait for {}: {}", program, cause(errno)));
  }
  ProcessRun run;
  run.seconds = stopwatch.seconds();
  run.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  run.peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  WPACK_TRY(judge(program, wait_status, err.text()));
  run.out = out.text();
  return run;
}

Result<std::string> this_program() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) {
    return Error(ErrorCode::kIo, error.value(),
                 fmt::format("read /proc/self/exe: {}", error.message()));
  }
  return path.string();
}

}  // namespace wpack::cli
