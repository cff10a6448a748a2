// Hosts that refuse: setups for one run of the command, and file systems that are full or
// read-only.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <filesystem>
#include <set>
#include <string>

#include "cli/command.h"

namespace wpack::refusals {

using ChildSetup = cli::Command::ChildSetup;

// What a run exits with where the host does not let a setup do its work.
inline constexpr int kSetupRefused = 125;

// True if seccomp filters can be installed here.
[[nodiscard]] bool can_filter_system_calls();

// Makes a system call fail with `error`: every one, or those whose argument number `argument` has a
// bit of `operand`, or is `operand`.
struct FailingCall {
  enum class Which { kEvery, kWithFlag, kWithValue };

  unsigned number = 0;
  int error = 0;
  Which which = Which::kEvery;
  unsigned argument = 0;
  unsigned operand = 0;  // compared with the argument's low half
};
[[nodiscard]] ChildSetup failing(const FailingCall& call);

// Sets both limits of `resource`.
[[nodiscard]] ChildSetup limited(int resource, rlim_t value);

// Takes the right to pass over the permissions of files from a run by root.
[[nodiscard]] ChildSetup without_privileges();

// A tmpfs on a directory, in a mount namespace of its own that the runs enter. It vanishes with
// this object.
class OwnFileSystem {
 public:
  // Mounts with `options`, such as "size=64k", on the directory `mount_point`; with `read_only`,
  // nothing can be written to it.
  OwnFileSystem(const std::filesystem::path& mount_point, const std::string& options,
                bool read_only = false);
  OwnFileSystem(const OwnFileSystem&) = delete;
  OwnFileSystem& operator=(const OwnFileSystem&) = delete;
  ~OwnFileSystem();

  // False where the host allows no such mount.
  [[nodiscard]] bool mounted() const { return mounted_; }
  // Moves a run into the namespace.
  [[nodiscard]] ChildSetup entered() const;
  // The names of everything in it.
  [[nodiscard]] std::set<std::string> names() const;

 private:
  std::filesystem::path mount_point_;
  pid_t keeper_ = -1;  // the process that keeps the namespace alive
  bool mounted_ = false;
};

}  // namespace wpack::refusals
