// Runs the real wpack command and catches what it says.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace wpack::cli {

using Arguments = std::vector<std::string>;
using Json = nlohmann::ordered_json;

// How a run ended.
struct Outcome {
  int status = -1;  // exit status; 128 + the signal's number when a signal ended it
  std::string out;  // stdout
  std::string err;  // stderr
  std::uint64_t peak_rss_bytes = 0;  // not below what the test itself had resident when it forked
  double cpu_seconds = 0;            // of all threads, in user and system mode
};

// A run of the command. Its stdin is /dev/null; its stdout and stderr go to files.
class Command {
 public:
  // Called in the child before it becomes the command, with stdout and stderr in place.
  using ChildSetup = std::function<void()>;

  explicit Command(const Arguments& arguments, const ChildSetup& setup = {});
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for the end.
  [[nodiscard]] Outcome wait();

 private:
  testing::TempDir directory_;
  pid_t pid_ = -1;
};

// Runs `wpack arguments...` to its end.
[[nodiscard]] Outcome run(const Arguments& arguments, const Command::ChildSetup& setup = {});

// Runs it and returns its stdout, which the test expects to be JSON with "schema": 1.
[[nodiscard]] Json run_json(const Arguments& arguments);

// Runs it with a terminal of 80 columns as its stderr. Outcome::err is what the terminal got.
[[nodiscard]] Outcome run_on_terminal(const Arguments& arguments,
                                      const Command::ChildSetup& setup = {});

}  // namespace wpack::cli
