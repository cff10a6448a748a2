#include "export/torch_layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "export/torch_pickle.h"
#include "wpack/text.h"

namespace wpack::exporting {
namespace {

constexpr std::uint64_t kAlignment = 64;                          // that of torch.save
constexpr std::uint64_t kMaxPickleSize = std::uint64_t{1} << 30;  // what wpack reads itself
constexpr std::uint64_t kMaxPayload = std::uint64_t{1} << 62;
constexpr std::uint64_t kMaxTorchDimension =
    (std::uint64_t{1} << 63) - 1;  // PyTorch counts in int64
constexpr std::size_t kMaxArchiveName = 200;

Status check_tensors(std::span<const ExportTensor> tensors) {
  std::uint64_t payload = 0;
  for (const ExportTensor& tensor : tensors) {
    if (!torch_can_hold(tensor.dtype)) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("tensor \"{}\": a PyTorch checkpoint cannot hold element type {}",
                               escape_name(tensor.name), dtype_name(tensor.dtype)));
    }
    // Only beside a dimension of 0.
    if (std::ranges::any_of(tensor.shape,
                            [](std::uint64_t size) { return size > kMaxTorchDimension; })) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("tensor \"{}\": a PyTorch checkpoint cannot hold a dimension of "
                               "2^63 or more",
                               escape_name(tensor.name)));
    }
    const auto sum = base::checked_add(payload, tensor.nbytes);
    if (!sum || *sum > kMaxPayload)
      return Error(ErrorCode::kLimit, "more than 2^62 bytes of tensors");
    payload = *sum;
  }
  return {};
}

// A view must begin at one of its own elements.
bool is_view(const ExportTensor& tensor) {
  return tensor.tied_to != ExportTensor::kNotTied &&
         tensor.tied_offset % (find_dtype(tensor.dtype)->bits / 8U) == 0;
}

struct Storages {
  std::vector<TorchStorage> storages;
  std::vector<TorchView> views;  // of each tensor
};

Storages assign_storages(std::span<const ExportTensor> tensors) {
  Storages result;
  result.views.resize(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_view(tensors[i])) continue;
    result.views[i] = {.storage = result.storages.size(), .byte_offset = 0};
    result.storages.push_back({.tensor = i, .untyped = !has_storage_class(tensors[i].dtype)});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!is_view(tensors[i])) continue;
    const std::size_t owner = tensors[i].tied_to;
    const std::size_t storage = result.views[owner].storage;
    result.views[i] = {.storage = storage, .byte_offset = tensors[i].tied_offset};
    if (tensors[i].dtype != tensors[owner].dtype) result.storages[storage].untyped = true;
  }
  return result;
}

class Archive {
 public:
  explicit Archive(std::string_view name) : name_(name) {}

  std::size_t add(std::string_view name, std::uint64_t size, std::string contents = {}) {
    layout.members.push_back({.name = fmt::format("{}/{}", name_, name), .size = size});
    layout.contents.push_back(std::move(contents));
    return layout.members.size() - 1;
  }
  void add_text(std::string_view name, std::string contents) {
    const std::uint64_t size = contents.size();
    add(name, size, std::move(contents));
  }

  TorchLayout layout;

 private:
  std::string_view name_;
};

}  // namespace

Result<TorchLayout> plan_torch(ExportSource source, std::string_view archive_name) {
  WPACK_TRY(check_tensors(source.tensors));
  const Storages assigned = assign_storages(source.tensors);
  WPACK_ASSIGN(std::string pickle, write_torch_pickle(source, assigned.storages, assigned.views));
  if (pickle.size() > kMaxPickleSize)
    return Error(ErrorCode::kLimit, fmt::format("a data.pkl of {} bytes", pickle.size()));
  Archive archive(archive_name);
  archive.add_text("data.pkl", std::move(pickle));
  archive.add_text("byteorder", "little");
  archive.layout.member_of.assign(source.tensors.size(), TorchLayout::kNoMember);
  for (std::size_t i = 0; i < assigned.storages.size(); ++i) {
    const std::size_t tensor = assigned.storages[i].tensor;
    archive.layout.member_of[tensor] =
        archive.add(fmt::format("data/{}", i), source.tensors[tensor].nbytes);
  }
  archive.add_text("version", "3\n");
  TorchLayout layout = std::move(archive.layout);
  layout.directory_position = place_members(layout.members, kAlignment);
  layout.file_size = layout.directory_position +
                     central_directory(layout.members, layout.directory_position).size();
  return layout;
}

std::string archive_name_of(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::string_view stem = name.substr(0, name.rfind('.'));
  const bool plain = std::ranges::all_of(stem, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  if (stem.empty() || stem.front() == '.' || stem.size() > kMaxArchiveName || !plain)
    return "archive";
  return std::string(stem);
}

}  // namespace wpack::exporting
