// Zip archives that are not checkpoints of torch.save.
#pragma once

#include <string_view>

#include "import/torch/zip_archive.h"

namespace wpack::import {

// Returns what the archive is, as the end of the sentence "FILE: is ...", with advice; empty if it
// looks like a checkpoint of torch.save.
[[nodiscard]] std::string_view foreign_archive_kind(const ZipArchive& archive);

}  // namespace wpack::import
