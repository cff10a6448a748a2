#include "command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): setenv is POSIX, not C++
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace wpack::cli {
namespace {

std::vector<char*> argument_pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

void redirect(const std::string& path, int flags, int fd) {
  const int opened = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (opened < 0 || ::dup2(opened, fd) < 0) ::_exit(125);
}

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Everything that comes out of a terminal until its other side is closed.
std::string read_terminal(int terminal) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(terminal, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;  // EIO: nobody has the other side open any more
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

}  // namespace

Command::Command(const Arguments& arguments, const ChildSetup& setup) {
  std::vector<std::string> words = {WPACK_COMMAND};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::vector<char*> pointers = argument_pointers(words);
  pid_ = ::fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ > 0) return;
  redirect("/dev/null", O_RDONLY, STDIN_FILENO);
  redirect(directory_.file("out"), O_WRONLY | O_CREAT, STDOUT_FILENO);
  redirect(directory_.file("err"), O_WRONLY | O_CREAT, STDERR_FILENO);
  // What the user who runs the tests has tuned is none of theirs.
  (void)::setenv("XDG_CACHE_HOME", directory_.file("cache").c_str(), 1);
  if (setup) setup();
  (void)::execv(pointers[0], pointers.data());
  ::_exit(126);
}

Command::~Command() {
  if (pid_ <= 0) return;
  (void)::kill(pid_, SIGKILL);
  (void)::waitpid(pid_, nullptr, 0);
}

Outcome Command::wait() {
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return {.status = exit_status(status),
          .out = testing::read_file(directory_.file("out")),
          .err = testing::read_file(directory_.file("err")),
          .peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024,
          .cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)};
}

Outcome run(const Arguments& arguments, const Command::ChildSetup& setup) {
  return Command(arguments, setup).wait();
}

Json run_json(const Arguments& arguments) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  Json json = Json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << outcome.out;
  if (!json.is_object()) return {};
  EXPECT_EQ(json.value("schema", 0), 1) << outcome.out;
  return json;
}

Outcome run_on_terminal(const Arguments& arguments, const Command::ChildSetup& setup) {
  int terminal = -1;
  int other_side = -1;
  winsize size{};
  size.ws_col = 80;
  size.ws_row = 24;
  if (::openpty(&terminal, &other_side, nullptr, nullptr, &size) != 0) {
    throw std::runtime_error("openpty failed");
  }
  Command command(arguments, [&] {
    (void)::dup2(other_side, STDERR_FILENO);
    (void)::close(other_side);
    (void)::close(terminal);
    if (setup) setup();
  });
  (void)::close(other_side);
  std::string shown = read_terminal(terminal);
  (void)::close(terminal);
  Outcome outcome = command.wait();
  outcome.err = std::move(shown);
  return outcome;
}

}  // namespace wpack::cli
