// Folders of models that are refused: what is wrong, the code, and what the message says. The tests
// of the importer run them, and the tests of refusals run them through the command.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/model_folder.h"
#include "wpack/error.h"

namespace wpack::refusals {

// Of which files a folder is made.
enum class FolderKind { kSafetensors, kTorch };

// Three files and an index, changed in one place: those of add_small_shards(), or the same names in
// PyTorch files.
struct BadFolder {
  const char* what;
  ErrorCode code;
  const char* part;                                   // of the message
  std::function<void(testing::ModelFolder&)> change;  // before the index is written
  bool index = true;                                  // it is written
  FolderKind kind = FolderKind::kSafetensors;

  void make(testing::ModelFolder& folder) const;
};
[[nodiscard]] std::vector<BadFolder> bad_folders();

}  // namespace wpack::refusals
