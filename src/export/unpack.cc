#include "wpack/unpack.h"

#include <fmt/format.h>

#include <array>
#include <numeric>
#include <vector>

#include "export/tensor_sink.h"
#include "export/tensor_transfer.h"
#include "export/tied_tensors.h"
#include "os/atomic_file.h"
#include "wpack/text.h"

namespace wpack {
namespace {

using exporting::ExportTensor;

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

}  // namespace

Result<UnpackReport> unpack(const Container& container, const std::string& path,
                            const UnpackOptions& options) {
  WPACK_ASSIGN(const UnpackFormat format, choose_format(path, options.format));
  WPACK_ASSIGN(const Container source,
               exporting::reopen_verifying(container, options.max_index_bytes));
  WPACK_ASSIGN(os::AtomicFile target,
               os::AtomicFile::create(path, options.replace ? os::ExistingTarget::kReplace
                                                            : os::ExistingTarget::kRefuse));
  const std::vector<ExportTensor> tensors =
      exporting::find_tied_tensors(exporting::list_tensors(source));
  const std::vector<MetadataEntry> metadata = source.metadata();
  auto sink =
      exporting::make_sink(format, target.file(), path, {.tensors = tensors, .metadata = metadata});
  if (!sink) return std::move(sink).error().in(escape_name(path));
  WPACK_TRY(target.file().reserve((*sink)->file_size()));
  std::vector<std::uint32_t> ids(tensors.size());
  std::iota(ids.begin(), ids.end(), 0U);
  exporting::TensorTransfer transfer(source, options.progress, target.file().label());
  transfer.expect(**sink, ids);
  WPACK_TRY(transfer.move(target.file(), **sink, ids));
  WPACK_TRY((*sink)->finish());
  WPACK_TRY(target.commit());
  UnpackReport report{.tensor_count = tensors.size(),
                      .tensor_bytes = transfer.moved_bytes(),
                      .file_bytes = (*sink)->file_size(),
                      .swept = target.swept()};
  for (const AttachmentInfo& attachment : source.attachments())
    report.left_out.emplace_back(attachment.name);
  return report;
}

}  // namespace wpack
