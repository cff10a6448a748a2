// A directory that is complete under its name or absent, whatever kills the writer.
//
// The protocol, for the target `parent/NAME`:
//  1. What dead writers of the same target left is swept (os/temporary.h).
//  2. A new, locked directory is created under a temporary name.
//  3. The files are written and fsynced by the caller.
//  4. publish() fsyncs the directory, renames it to NAME with RENAME_NOREPLACE, or exchanges the
//     two names atomically with RENAME_EXCHANGE, and fsyncs the parent.
//  5. Only then is a replaced directory removed, since a crash might have undone the exchange. It
//     stays under the temporary name while a reader holds a lock on its marker, the file that
//     every directory of its kind has, and is swept by a later writer.
//  6. Without publish(), the destructor removes the directory and everything in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "os/temporary.h"
#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::os {

class StagedDirectory {
 public:
  // An existing target is replaced only if it is a directory that holds a file called `marker`
  // (empty for directories that are never replaced).
  // `target` may end in a slash.
  // Errors: kIo (the parent is missing or read-only, the target exists), kLimit.
  [[nodiscard]] static Result<StagedDirectory> create(const std::string& target, std::string marker,
                                                      ExistingTarget existing);

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

  // Name under which publish() left the replaced directory, or what could not be removed of it.
  [[nodiscard]] const std::optional<std::string>& kept() const noexcept { return kept_; }

  // Errors: kIo (the target exists by now), kUnsupportedHost (the file system cannot exchange two
  // names); nothing is published then. Once the rename is done the target is published, and only
  // the fsync of the parent can still fail; a replaced directory is kept then.
  [[nodiscard]] Status publish();

 private:
  StagedDirectory() = default;
  [[nodiscard]] Status check_target() const;
  [[nodiscard]] int rename_without_replacing() const;
  [[nodiscard]] Status replace();

  UniqueFd parent_;
  UniqueFd directory_;
  std::string parent_path_;
  std::string target_name_;
  std::string staging_name_;  // empty once published
  std::string label_;
  std::string marker_;
  ExistingTarget existing_ = ExistingTarget::kRefuse;
  std::vector<std::string> swept_;
  std::optional<std::string> kept_;
};

}  // namespace wpack::os
