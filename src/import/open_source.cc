#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "import/detect.h"
#include "import/safetensors_source.h"
#include "import/torch/torch_source.h"
#include "os/file.h"
#include "wpack/tensor_source.h"
#include "wpack/text.h"

namespace wpack {
namespace {

// A file whose presence says what a directory is.
struct Landmark {
  std::string_view file;
  std::string_view refusal;
};

constexpr std::string_view kHuggingFace =
    "is a directory of a Hugging Face model; pack its .safetensors or .bin files one by one: "
    "sharded checkpoints are not supported yet";

constexpr auto kLandmarks = std::to_array<Landmark>({
    {"index.wpi", "is a wpack container, which is packed already"},
    {".metadata",
     "is a distributed checkpoint (DCP) of PyTorch; convert it with `python -m "
     "torch.distributed.checkpoint.format_utils dcp_to_torch` and pack the result"},
    {"saved_model.pb", "is a TensorFlow SavedModel, which is not supported"},
    {"model.safetensors.index.json", kHuggingFace},
    {"pytorch_model.bin.index.json", kHuggingFace},
    {"config.json", kHuggingFace},
    {"model.safetensors", kHuggingFace},
    {"pytorch_model.bin", kHuggingFace},
});

bool exists(const os::UniqueFd& directory, std::string_view name) {
  const auto file = os::File::open_read_at(directory, std::string(name), std::string(name));
  return file || file.error().system_errno() != ENOENT;
}

Error refuse(const std::string& path, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("{}: {}", escape_name(path), reason)};
}

Error refuse_directory(const std::string& path, const os::UniqueFd& directory) {
  for (const Landmark& landmark : kLandmarks)
    if (exists(directory, landmark.file)) return refuse(path, landmark.refusal);
  return refuse(path, "is a directory, not a checkpoint file");
}

}  // namespace

Result<std::unique_ptr<TensorSource>> open_tensor_source(const std::string& path,
                                                         const SourceOptions& options) {
  if (const auto directory = os::open_directory(path)) return refuse_directory(path, *directory);
  WPACK_ASSIGN(os::File file, os::File::open_read(path));
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  std::array<std::byte, import::kDetectSize> buffer{};
  const auto front = std::span(buffer).first(std::min(size, import::kDetectSize));
  WPACK_TRY(file.read_exact(0, front));
  const import::Detection detection = import::detect_file(front, size);
  switch (detection.format) {
    case import::FileFormat::kSafetensors:
      return import::open_safetensors(std::move(file), options);
    case import::FileFormat::kTorchZip:
      return import::open_torch_zip(std::move(file), options);
    case import::FileFormat::kRefused:
      break;
  }
  return refuse(path, detection.refusal);
}

}  // namespace wpack
