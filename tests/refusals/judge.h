// What a refusal must be, whatever the input: the pinned exit status; one line on stderr that names
// the operand and the cause; nothing on stdout but valid JSON; within 10 s and 256 MiB; and nothing
// left behind, or changed, in the folder of inputs and targets, in TMPDIR or in the working
// directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "refusals/host.h"
#include "support/temp_dir.h"
#include "wpack/error.h"

namespace wpack::refusals {

using cli::Arguments;
using cli::Outcome;

inline constexpr std::uint64_t kMaxMemory = std::uint64_t{256} << 20;  // bytes resident
inline constexpr double kMaxSeconds = 10;

// How a run must end.
struct Expected {
  int status = 3;
  std::vector<std::string> parts = {};  // of the line on stderr
};

// Expects of an error's message what holds for all: one line of printable UTF-8 that the command
// need not cut, with a code that says something about the input or the host.
void expect_well_formed(const Error& error);

// The surroundings of runs of the command. In arguments, a leading `@` stands for the folder of
// inputs and targets.
class Judge {
 public:
  [[nodiscard]] std::string file(std::string_view name) const { return folder_.file(name); }
  std::string write(std::string_view name, std::string_view contents) const {
    return folder_.write(name, contents);
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }

  // Runs `wpack arguments...` with its limits and returns how it ended. Expects that it kept them
  // and did not crash. `setup` is called in the child, as by cli::Command.
  Outcome run(const Arguments& arguments, const ChildSetup& setup = {}) const;

  // Runs it and expects that it refuses, and that nothing changed.
  Outcome expect_refusal(const Arguments& arguments, const Expected& expected,
                         const ChildSetup& setup = {}) const;

  // Runs it and expects success without a word on stderr but warnings.
  Outcome expect_success(const Arguments& arguments) const;

 private:
  // All that can be seen of a file without reading it; a change of its bytes changes its times.
  using Snapshot = std::map<std::string, std::string>;
  [[nodiscard]] Snapshot snapshot() const;
  [[nodiscard]] Arguments expand(Arguments arguments) const;

  testing::TempDir folder_ = testing::TempDir::in_memory();
  testing::TempDir temporary_ = testing::TempDir::in_memory();  // TMPDIR of the runs
  testing::TempDir working_ = testing::TempDir::in_memory();    // their working directory
};

// The ways in which `wpack pack` meets the source `@/NAME`: for real, planned, and with --json.
[[nodiscard]] std::vector<Arguments> ways_to_pack(std::string_view name);

// Expects that every way to pack the source `@/NAME` is refused. Under a sanitizer, where a process
// takes long to start, it is one of them, by turns.
void expect_not_packed(const Judge& judge, std::string_view name, const Expected& expected);

}  // namespace wpack::refusals
