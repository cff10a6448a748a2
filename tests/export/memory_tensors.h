// Tensors in memory, and what a sink makes of them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "export/tensor_sink.h"
#include "os/atomic_file.h"
#include "support/temp_dir.h"
#include "wpack/error.h"

namespace wpack::exporting {

struct MemoryTensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape = {};
  std::string bytes = {};
  std::size_t tied_to = ExportTensor::kNotTied;
  std::uint64_t tied_offset = 0;
};

// Borrows from `tensors`.
inline std::vector<ExportTensor> describe(const std::vector<MemoryTensor>& tensors) {
  std::vector<ExportTensor> result;
  for (const MemoryTensor& tensor : tensors) {
    result.push_back({.name = tensor.name,
                      .dtype = tensor.dtype,
                      .shape = tensor.shape,
                      .nbytes = tensor.bytes.size(),
                      .tied_to = tensor.tied_to,
                      .tied_offset = tensor.tied_offset});
  }
  return result;
}

using MakeSink =
    std::function<Result<std::unique_ptr<TensorSink>>(const os::File& file, ExportSource source)>;

// Writes the file `path` through a sink, in slices that fit no boundary.
inline Status write_file(const std::string& path, const std::vector<MemoryTensor>& tensors,
                         const std::vector<MetadataEntry>& metadata, const MakeSink& make) {
  constexpr std::size_t kSlice = 7;
  const std::vector<ExportTensor> described = describe(tensors);
  WPACK_ASSIGN(os::AtomicFile target, os::AtomicFile::create(path, os::ExistingTarget::kReplace));
  WPACK_ASSIGN(const auto sink, make(target.file(), {.tensors = described, .metadata = metadata}));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!sink->wants(i)) continue;
    const auto bytes = std::as_bytes(std::span(tensors[i].bytes));
    for (std::size_t offset = 0; offset < bytes.size(); offset += kSlice) {
      WPACK_TRY(
          sink->write(i, offset, bytes.subspan(offset, std::min(kSlice, bytes.size() - offset))));
    }
  }
  WPACK_TRY(sink->finish());
  WPACK_TRY(target.commit());
  if (std::filesystem::file_size(path) != sink->file_size())
    return Error(ErrorCode::kInternal, "the sink announced another file size");
  return {};
}

}  // namespace wpack::exporting
