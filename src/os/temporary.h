// What is written beside its target until it is complete, and what dead writers left there.
//
// A writer works under the name `.NAME.wpack-tmp-<16 hexadecimal digits>`, with random digits, in
// the directory of its target NAME: beside it, since a rename does not cross file systems, and
// hidden, since it is nobody's business. It holds a lock (flock) on what has that name. The kernel
// drops the lock when the process ends, however it ends, so whatever has such a name and no lock
// is a leaving, and is swept by the next writer of the same target. Where a file system has no
// locks, nothing is swept.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/file.h"
#include "os/unique_fd.h"
#include "wpack/error.h"

namespace wpack::os {

// What a writer does with a target that exists.
enum class ExistingTarget { kRefuse, kReplace };

// The error of a writer that does not replace.
[[nodiscard]] Error exists_error(const std::string& label);

// Something new that is locked while it is open, and its name in the directory.
template <typename Handle>
struct Temporary {
  Handle handle;
  std::string name;
};

// Creates a file or directory under a temporary name of `target` in `parent`, and locks it.
// `label` is what errors call it. Errors: kIo, kLimit; nothing is left behind then.
[[nodiscard]] Result<Temporary<File>> create_temporary_file(const UniqueFd& parent,
                                                            const std::string& target,
                                                            const std::string& label);
[[nodiscard]] Result<Temporary<UniqueFd>> create_temporary_directory(const UniqueFd& parent,
                                                                     const std::string& target,
                                                                     const std::string& label);

// Removes what dead writers of the file `target` left in `parent`, and returns its names.
[[nodiscard]] std::vector<std::string> sweep_files(const UniqueFd& parent,
                                                   const std::string& target);
// The same for a directory; spares those that remove_directory() spares.
[[nodiscard]] std::vector<std::string> sweep_directories(const UniqueFd& parent,
                                                         const std::string& target,
                                                         const std::string& marker);

// Removes the directory `name` of `parent` and everything in it, following no link, unless
// somebody holds a lock on its file `marker`: readers of a complete directory do, as long as they
// may open more of its files. Returns false if any of it is still there.
[[nodiscard]] bool remove_directory(const UniqueFd& parent, const std::string& name,
                                    const std::string& marker);

}  // namespace wpack::os
