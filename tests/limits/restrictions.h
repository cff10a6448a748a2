// What a run of the command is not allowed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/command.h"

namespace wpack::limits {

// A setup that fails ends the child with this status before it becomes the command.
constexpr int kSetupFailed = 124;

// At most `count` open files.
[[nodiscard]] cli::Command::ChildSetup open_files(std::uint64_t count);

// As a user who owns nothing here. Needs root.
[[nodiscard]] cli::Command::ChildSetup as_nobody();

// Every file system below / read-only, but for what is mounted at `writable` (empty: none).
// Needs root.
[[nodiscard]] cli::Command::ChildSetup read_only_root(const std::filesystem::path& writable);

// A control group that its members may use `bytes` of memory in, page cache included.
class MemoryGroup {
 public:
  // Returns nothing where the host has no control group that this user may divide.
  [[nodiscard]] static std::optional<MemoryGroup> make(std::uint64_t bytes);
  MemoryGroup(MemoryGroup&& other) noexcept;
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;
  MemoryGroup& operator=(MemoryGroup&&) = delete;
  ~MemoryGroup();

  [[nodiscard]] cli::Command::ChildSetup member() const;
  // The most that its members have used at once, in bytes; 0 if the kernel does not say.
  [[nodiscard]] std::uint64_t peak() const;

 private:
  explicit MemoryGroup(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

// Whether a child can be set up so; says why not.
[[nodiscard]] bool possible(const cli::Command::ChildSetup& setup);

}  // namespace wpack::limits
