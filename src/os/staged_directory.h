// A directory that is complete under its name or absent, whatever kills the writer.
//
// The protocol, for the target `parent/NAME`:
//  1. Directories `parent/.NAME.wpack-tmp-<16 hex>` whose lock nobody holds are leavings of
//     writers that died: they are removed ("swept"). A live writer holds its lock, so its
//     directory is left alone.
//  2. A new directory with a random suffix is created there and locked with flock(); the kernel
//     drops the lock when the process ends, however it ends. If another writer swept it between
//     creation and lock, a new one is made.
//  3. The files are written and fsynced by the caller.
//  4. publish() fsyncs the directory, renames it to NAME with RENAME_NOREPLACE, or exchanges the
//     two names atomically with RENAME_EXCHANGE and then removes the old directory, and fsyncs
//     the parent.
//  5. Without publish(), the destructor removes the directory and everything in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::os {

class StagedDirectory {
 public:
  // An existing target is refused, unless `replace_marker` names a file that it holds: then it will
  // be replaced. `target` may end in a slash.
  // Errors: kIo (the parent is missing or read-only, the target exists), kLimit.
  [[nodiscard]] static Result<StagedDirectory> create(
      const std::string& target, const std::optional<std::string>& replace_marker);

  StagedDirectory(StagedDirectory&& other) noexcept;
  StagedDirectory& operator=(StagedDirectory&&) = delete;
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;
  ~StagedDirectory();

  [[nodiscard]] const UniqueFd& fd() const noexcept { return directory_; }
  // The target as errors print it.
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  // Path under which the files can be found until publish().
  [[nodiscard]] std::string staging_path() const;
  // Names of the leavings that create() removed.
  [[nodiscard]] const std::vector<std::string>& swept() const noexcept { return swept_; }

  // Errors: kIo (the target exists by now), kUnsupportedHost (the file system cannot exchange two
  // names); nothing is published then. Once the rename is done the target is published, and only
  // the fsync of the parent can still fail.
  [[nodiscard]] Status publish();

 private:
  StagedDirectory() = default;
  [[nodiscard]] Status make_locked_directory();
  void sweep();
  [[nodiscard]] Status check_target() const;
  [[nodiscard]] Status rename_into_place();
  [[nodiscard]] Status exchange_with_target();
  [[nodiscard]] std::string staging_prefix() const;

  UniqueFd parent_;
  UniqueFd directory_;
  std::string parent_path_;
  std::string target_name_;
  std::string staging_name_;  // empty once published
  std::string label_;
  std::optional<std::string> replace_marker_;
  std::vector<std::string> swept_;
};

}  // namespace wpack::os
