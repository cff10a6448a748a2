#include "wpack/unpack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "export/tensor_sink.h"
#include "export/tied_tensors.h"
#include "export/torch_layout.h"
#include "os/atomic_file.h"
#include "wpack/text.h"

namespace wpack {
namespace {

using exporting::ExportTensor;
using exporting::TensorSink;

constexpr std::size_t kSliceSize = std::size_t{4} << 20;  // between two reports of progress

struct Extension {
  std::string_view text;
  UnpackFormat format;
};
constexpr auto kExtensions = std::to_array<Extension>({
    {".safetensors", UnpackFormat::kSafetensors},
    {".pt", UnpackFormat::kTorch},
    {".pth", UnpackFormat::kTorch},
    {".bin", UnpackFormat::kTorch},
    {".ckpt", UnpackFormat::kTorch},
});

Result<UnpackFormat> choose_format(const std::string& path, UnpackFormat wanted) {
  if (wanted != UnpackFormat::kByName) return wanted;
  for (const Extension& extension : kExtensions)
    if (path.ends_with(extension.text)) return extension.format;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{}: the name ends in none of .safetensors .pt .pth .bin .ckpt, so the "
                           "format must be given",
                           escape_name(path)));
}

Result<std::unique_ptr<TensorSink>> make_sink(UnpackFormat format, const os::File& file,
                                              const std::string& path,
                                              exporting::ExportSource source) {
  if (format == UnpackFormat::kSafetensors) return exporting::make_safetensors_sink(file, source);
  return exporting::make_torch_sink(file, source, exporting::archive_name_of(path));
}

// The same container under a policy that checks every byte before it is handed out.
Result<Container> reopen_verifying(const Container& container, std::uint64_t max_index_bytes) {
  const ContainerInfo info = container.info();
  WPACK_ASSIGN(Container verifying,
               Container::open(info.path, {.verify = VerifyPolicy::kTouch,
                                           .max_index_bytes = max_index_bytes}));
  if (verifying.info().uuid != info.uuid) {
    return Error(ErrorCode::kIo,
                 fmt::format("{}: was replaced since it was opened", escape_name(info.path)));
  }
  return verifying;
}

std::vector<TensorInfo> list_tensors(const Container& container) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(container.tensor_count());
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
    tensors.push_back(container.tensor_info(id));
  return tensors;
}

// Moves the bytes of the wanted tensors into the sink, in the order of use, which is the order in
// which the container stores them.
class Transfer {
 public:
  Transfer(const os::File& file, TensorSink& sink, const ProgressCallback& callback)
      : file_(file), sink_(sink), callback_(callback) {}

  [[nodiscard]] Status run(const Container& container) {
    for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
      if (sink_.wants(id)) progress_.total_bytes += container.tensor_info(id).nbytes;
    WPACK_TRY(report());
    for (const Layer& layer : container.layers()) {
      const LayerInfo& info = layer.info();
      for (std::uint32_t id = info.tensor_begin; id < info.tensor_end; ++id)
        if (sink_.wants(id)) WPACK_TRY(move_tensor(container, id));
      layer.release();
      file_.start_writeback(0, sink_.file_size());
    }
    return {};
  }

  [[nodiscard]] std::uint64_t moved_bytes() const { return progress_.done_bytes; }

 private:
  [[nodiscard]] Status move_tensor(const Container& container, std::uint32_t id) {
    WPACK_ASSIGN(const Tensor tensor, container.tensor(id));
    const Bytes bytes = tensor.bytes();
    for (std::size_t offset = 0; offset < bytes.size(); offset += kSliceSize) {
      const Bytes slice = bytes.subspan(offset, std::min(kSliceSize, bytes.size() - offset));
      WPACK_TRY(sink_.write(id, offset, slice));
      progress_.done_bytes += slice.size();
      WPACK_TRY(report());
    }
    return {};
  }

  [[nodiscard]] Status report() const {
    if (!callback_ || callback_(progress_)) return {};
    return Error(ErrorCode::kCancelled, fmt::format("{}: cancelled", file_.label()));
  }

  const os::File& file_;
  TensorSink& sink_;
  const ProgressCallback& callback_;
  Progress progress_;
};

}  // namespace

Result<UnpackReport> unpack(const Container& container, const std::string& path,
                            const UnpackOptions& options) {
  WPACK_ASSIGN(const UnpackFormat format, choose_format(path, options.format));
  WPACK_ASSIGN(const Container source, reopen_verifying(container, options.max_index_bytes));
  WPACK_ASSIGN(os::AtomicFile target,
               os::AtomicFile::create(path, options.replace ? os::ExistingTarget::kReplace
                                                            : os::ExistingTarget::kRefuse));
  const std::vector<ExportTensor> tensors = exporting::find_tied_tensors(list_tensors(source));
  const std::vector<MetadataEntry> metadata = source.metadata();
  auto sink = make_sink(format, target.file(), path, {.tensors = tensors, .metadata = metadata});
  if (!sink) return std::move(sink).error().in(escape_name(path));
  WPACK_TRY(target.file().reserve((*sink)->file_size()));
  Transfer transfer(target.file(), **sink, options.progress);
  WPACK_TRY(transfer.run(source));
  WPACK_TRY((*sink)->finish());
  WPACK_TRY(target.commit());
  return UnpackReport{.tensor_count = tensors.size(),
                      .tensor_bytes = transfer.moved_bytes(),
                      .file_bytes = (*sink)->file_size(),
                      .swept = target.swept()};
}

}  // namespace wpack
