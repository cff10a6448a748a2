#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "import/detect.h"
#include "import/file_source.h"
#include "import/safetensors_source.h"
#include "import/sharded/sharded_source.h"
#include "import/torch/torch_source.h"
#include "os/file.h"
#include "wpack/tensor_source.h"
#include "wpack/text.h"

namespace wpack {
namespace {

// An entry whose presence says what a directory is.
struct Landmark {
  std::string_view name;
  std::string_view refusal;
};

constexpr std::string_view kContainerLandmark = "index.wpi";
constexpr std::string_view kNoWeights =
    "is a folder without weights that wpack reads: model.safetensors, pytorch_model.bin, an index "
    "of either, or model-00001-of-00002.safetensors and so on";

// Of directories without weights in a form that is known.
constexpr auto kLandmarks = std::to_array<Landmark>({
    {".metadata",
     "is a distributed checkpoint (DCP) of PyTorch; convert it with `python -m "
     "torch.distributed.checkpoint.format_utils dcp_to_torch` and pack the result"},
    {"saved_model.pb", "is a TensorFlow SavedModel, which is not supported"},
    {"model_index.json",
     "is the folder of a Diffusers pipeline; pack the folders of its components one by one"},
    {"snapshots",
     "is an entry of a Hugging Face cache; pack one of the folders in its folder snapshots"},
});

// True also for what cannot be read, or is no file.
Result<bool> exists(const os::UniqueFd& directory, std::string_view name, const std::string& path) {
  const std::string label = fmt::format("{}/{}", escape_name(path), name);
  auto file = os::File::open_read_at(directory, std::string(name), label);
  if (file) return true;
  switch (file.error().system_errno()) {
    case ENOENT:
      return false;
    case 0:
    case EACCES:
    case ELOOP:
      return true;
    default:
      return std::move(file).error();
  }
}

Error refuse(const std::string& path, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("{}: {}", escape_name(path), reason)};
}

Result<std::unique_ptr<TensorSource>> open_directory_source(os::UniqueFd directory,
                                                            const std::string& path,
                                                            const SourceOptions& options) {
  WPACK_ASSIGN(const bool is_container, exists(directory, kContainerLandmark, path));
  if (is_container) return refuse(path, "is a wpack container, which is packed already");
  std::string_view refusal = kNoWeights;
  for (const Landmark& landmark : kLandmarks) {
    WPACK_ASSIGN(const bool is_there, exists(directory, landmark.name, path));
    if (is_there && refusal == kNoWeights) refusal = landmark.refusal;
  }
  WPACK_ASSIGN(auto source, import::open_folder(std::move(directory), path, options,
                                                import::MemoryMeter(options.metadata_budget)));
  if (source == nullptr) return refuse(path, refusal);
  return source;
}

Result<import::Detection> detect(const os::File& file) {
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  std::array<std::byte, import::kDetectSize> buffer{};
  const auto front = std::span(buffer).first(std::min(size, import::kDetectSize));
  WPACK_TRY(file.read_exact(0, front));
  return import::detect_file(front, size);
}

}  // namespace

namespace import {

Result<std::unique_ptr<FileSource>> open_file_source(os::File file, const SourceOptions& options,
                                                     MemoryMeter meter,
                                                     std::shared_ptr<InflateWork> work) {
  WPACK_ASSIGN(Detection detection, detect(file));
  switch (detection.format) {
    case FileFormat::kSafetensors:
      return open_safetensors(std::move(file), meter);
    case FileFormat::kTorchZip:
      return open_torch_zip(std::move(file), options, meter, std::move(work));
    case FileFormat::kIndex:
      detection.refusal = "is the index of a sharded checkpoint, not one of its files";
      break;
    case FileFormat::kRefused:
      break;
  }
  return Error(ErrorCode::kBadInput, fmt::format("{}: {}", file.label(), detection.refusal));
}

}  // namespace import

Result<std::unique_ptr<TensorSource>> open_tensor_source(const std::string& path,
                                                         const SourceOptions& options) {
  auto directory = os::open_directory(path);
  if (directory) return open_directory_source(*std::move(directory), path, options);
  auto opened = os::File::open_read(path);
  // A directory that cannot be opened is no file of the wrong kind.
  const bool is_directory =
      directory.error().system_errno() != ENOTDIR && !opened && opened.error().system_errno() == 0;
  if (is_directory) return std::move(directory).error();
  WPACK_ASSIGN(os::File file, std::move(opened));
  WPACK_ASSIGN(const import::Detection detection, detect(file));
  if (detection.format == import::FileFormat::kIndex) return import::open_index(path, options);
  return import::open_file_source(std::move(file), options,
                                  import::MemoryMeter(options.metadata_budget));
}

}  // namespace wpack
