#include "import/torch/foreign_archive.h"

#include <algorithm>

namespace wpack::import {

std::string_view foreign_archive_kind(const ZipArchive& archive) {
  const auto has = [&archive](std::string_view name) { return archive.find(name) != nullptr; };
  const auto any = [&archive](auto matches) {
    return std::ranges::any_of(archive.members(), matches, &ZipMember::name);
  };
  if (has("constants.pkl"))
    return "a TorchScript archive (torch.jit.save), which is not supported: save a state_dict";
  if (has("attributes.pkl") || has("model.json"))
    return "a TorchScript archive of PyTorch 1.0 to 1.2, which is not supported: save a state_dict";
  if (has("archive_format") || has("serialized_exported_program.json"))
    return "a torch.export archive (.pt2), which is not supported: save a state_dict";
  if (has(".data/extern_modules"))
    return "a torch.package archive, which is not supported: save a state_dict";
  if (has("model.weights.h5")) return "a Keras archive (.keras), which is not supported";
  if (any([](std::string_view name) { return name.ends_with(".npy"); }))
    return "a NumPy archive (.npz), which is not supported";
  if (!has("data.pkl")) return "no PyTorch checkpoint: the zip archive has no data.pkl";
  if (!archive.has_top_folder())
    return "no PyTorch checkpoint: the members of the zip archive are not in one folder";
  return {};
}

}  // namespace wpack::import
