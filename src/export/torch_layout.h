// What lies where in a PyTorch zip. Pure.
//
// The archive holds, in this order, data.pkl (an ordered dictionary of all tensors and scalars),
// byteorder, data/0 ... (the storages, in the order of use, each aligned to 64 bytes as torch.save
// does it) and version.
//
// A tensor of an element type that has a storage class is rebuilt by `_rebuild_tensor_v2`, which
// every PyTorch since 1.6 reads. Other element types, and storages that tensors of several element
// types share, are untyped and rebuilt by `_rebuild_tensor_v3`, as newer PyTorch writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "export/tensor_sink.h"
#include "export/zip_layout.h"
#include "wpack/error.h"

namespace wpack::exporting {

struct TorchLayout {
  static constexpr std::size_t kNoMember = std::numeric_limits<std::size_t>::max();

  std::vector<ZipMember> members;     // placed, without their CRC-32
  std::vector<std::string> contents;  // of the members that are not storages, else empty
  // Of each tensor, the member that its bytes become, or kNoMember if they are part of another's.
  std::vector<std::size_t> member_of;
  std::uint64_t directory_position = 0;
  std::uint64_t file_size = 0;
};

// Metadata of checkpoints becomes what it was, under its dotted path, where no tensor has that
// name; metadata of safetensors has no place here.
// Errors: kBadInput (an element type that PyTorch lacks, metadata that is not of its type).
[[nodiscard]] Result<TorchLayout> plan_torch(ExportSource source, std::string_view archive_name);

// Returns the name of the archive's folder for a file at `path`: its stem as torch.save takes it,
// or "archive" where that is empty or holds more than letters, digits and `._-`.
[[nodiscard]] std::string archive_name_of(std::string_view path);

}  // namespace wpack::exporting
