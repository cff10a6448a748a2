// A container as a folder: weights in one file or in several, and its attachments beside them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/progress.h"
#include "wpack/unpack.h"

namespace wpack::exporting {

// What is written. All names are plain, and each is there once.
struct FolderPlan {
  struct File {
    std::string name;
    std::vector<std::uint32_t> tensors;  // ids of the container, ascending; together all of them
  };
  UnpackFormat format = UnpackFormat::kSafetensors;  // not kByName
  std::vector<File> files;
  std::vector<std::string> attachments;  // those of the container that are written
};

// Writes the files of `plan` into `directory`, which is empty, and syncs each. `container` checks
// every byte that it hands out; `label` is what errors call the folder. One file is open at a time.
// Metadata of safetensors goes into every file, as those who split models do it; scalars of a
// checkpoint into the first. Tensors that are tied across files are written in each.
// Errors: those of unpack().
[[nodiscard]] Result<UnpackReport> write_folder(const Container& container, const FolderPlan& plan,
                                                const os::UniqueFd& directory,
                                                const std::string& label,
                                                const ProgressCallback& progress);

}  // namespace wpack::exporting
