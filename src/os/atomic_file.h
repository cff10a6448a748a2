// Publishing one file atomically: under its name, it is complete or absent.
//
// 1. create() opens the directory of the target, which must exist, sweeps what dead writers of the
//    same target left there, and creates a locked file under a temporary name (os/temporary.h).
// 2. The owner writes through file().
// 3. commit() syncs the file, so that no crash can leave the name on missing bytes;
// 4. gives it its name: an existing file is replaced by rename(), or refused by
//    renameat2(RENAME_NOREPLACE), so that of two writers one fails instead of losing its work
//    (file systems without it get linkat() and unlinkat(), which refuse likewise);
// 5. and syncs the directory, so that the name survives a crash too.
// The destructor removes the temporary file if it was not given its name.
#pragma once

#include <string>
#include <vector>

#include "os/file.h"
#include "os/temporary.h"
#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::os {

// Move-only. Thread safety: one thread at a time.
class AtomicFile {
 public:
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Errors: kIo (the directory does not exist or cannot be written, the target exists and is not
  // to be replaced, the target is a directory), kInvalidArgument (`path` names no file), kLimit.
  // A link at `path` is not followed: the link itself is refused or replaced.
  [[nodiscard]] static Result<AtomicFile> create(const std::string& path, ExistingTarget existing);

  // The file to write; its label is the target's path.
  [[nodiscard]] const File& file() const noexcept { return file_; }

  // Names of the leavings that create() removed.
  [[nodiscard]] const std::vector<std::string>& swept() const noexcept { return swept_; }

  // Steps 3 to 5; at most once. Errors: kIo, kLimit. After an error of the last step the file has
  // its name; after any other, the destructor leaves nothing behind.
  [[nodiscard]] Status commit();

 private:
  AtomicFile() = default;

  UniqueFd directory_;
  File file_;
  std::string name_;
  std::string temporary_name_;  // empty once the file has its name
  ExistingTarget existing_ = ExistingTarget::kRefuse;
  std::vector<std::string> swept_;
};

// Gives the file `from` of `directory` the name `to` there, which must not exist, by linkat() and
// unlinkat(): step 4 on file systems without RENAME_NOREPLACE. Returns errno, or 0 once the file
// has the name: an old one that cannot be removed is left to the next sweep.
[[nodiscard]] int rename_by_linking(const UniqueFd& directory, const std::string& from,
                                    const std::string& to) noexcept;

}  // namespace wpack::os
