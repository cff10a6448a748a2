// The seam between unpacking and the formats that it writes: a sink plans its whole file from the
// descriptions of the tensors, and then takes their bytes. A new format is a new sink, and a line
// in the table of unpack.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>

#include "os/file.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"
#include "wpack/types.h"
#include "wpack/unpack.h"

namespace wpack::exporting {

// One tensor to write. The views are borrowed from the container.
struct ExportTensor {
  static constexpr std::size_t kNotTied = std::numeric_limits<std::size_t>::max();

  std::string_view name;  // UTF-8 without NUL, unique
  DType dtype = DType::kU8;
  Shape shape;
  std::uint64_t nbytes = 0;  // tensor_nbytes(dtype, shape)
  // The tensor that this one is tied to, which is tied to none itself: its bytes from `tied_offset`
  // on are this tensor's.
  std::size_t tied_to = kNotTied;
  std::uint64_t tied_offset = 0;
};

// What a file is made from; borrowed while the sink lives.
struct ExportSource {
  std::span<const ExportTensor> tensors;  // in the order of use
  std::span<const MetadataEntry> metadata;
};

// Thread safety: one thread at a time.
class TensorSink {
 public:
  TensorSink() = default;
  TensorSink(const TensorSink&) = delete;
  TensorSink& operator=(const TensorSink&) = delete;
  virtual ~TensorSink() = default;

  // Bytes of the finished file.
  [[nodiscard]] virtual std::uint64_t file_size() const noexcept = 0;
  // False if the bytes of tensor `index` reach the file with those of the tensor it is tied to.
  [[nodiscard]] virtual bool wants(std::size_t index) const noexcept = 0;
  // Takes the next bytes of a tensor that the sink wants. They come from front to back, all those
  // of one tensor before those of another; tensors in any order, each once.
  [[nodiscard]] virtual Status write(std::size_t index, std::uint64_t offset, Bytes bytes) = 0;
  // Writes what is left when every tensor has been written; the file is complete then. Once.
  [[nodiscard]] virtual Status finish() = 0;
};

// Both write to `file`, borrowed while the sink lives, and read nothing from it.
// Errors: kBadInput (the format cannot hold an element type or a name; the tensor is named), kLimit
// (the metadata is larger than the format allows). Messages do not name the file.

// A safetensors file as its reference library writes it. Tied tensors are written under every name.
[[nodiscard]] Result<std::unique_ptr<TensorSink>> make_safetensors_sink(const os::File& file,
                                                                        ExportSource source);

// A PyTorch zip. All records lie in the folder `archive_name` (see archive_name_of). Tied tensors
// share a storage.
[[nodiscard]] Result<std::unique_ptr<TensorSink>> make_torch_sink(const os::File& file,
                                                                  ExportSource source,
                                                                  std::string_view archive_name);

// The sink of `format`, which is not kByName, for a file called `path`.
[[nodiscard]] Result<std::unique_ptr<TensorSink>> make_sink(UnpackFormat format,
                                                            const os::File& file,
                                                            std::string_view path,
                                                            ExportSource source);

}  // namespace wpack::exporting
