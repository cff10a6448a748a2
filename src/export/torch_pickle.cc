#include "export/torch_pickle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <unordered_set>

#include "base/checked_math.h"
#include "export/pickle_writer.h"
#include "wpack/text.h"

namespace wpack::exporting {
namespace {

struct StorageClass {
  DType dtype;
  std::string_view name;
};
constexpr auto kStorageClasses = std::to_array<StorageClass>({
    {DType::kF64, "DoubleStorage"},
    {DType::kF32, "FloatStorage"},
    {DType::kF16, "HalfStorage"},
    {DType::kBF16, "BFloat16Storage"},
    {DType::kI64, "LongStorage"},
    {DType::kI32, "IntStorage"},
    {DType::kI16, "ShortStorage"},
    {DType::kI8, "CharStorage"},
    {DType::kU8, "ByteStorage"},
    {DType::kBool, "BoolStorage"},
    {DType::kC128, "ComplexDoubleStorage"},
    {DType::kC64, "ComplexFloatStorage"},
});

constexpr auto kQuantized =
    std::to_array<DType>({DType::kQI8, DType::kQU8, DType::kQI32, DType::kQU4X2, DType::kQU2X4});

constexpr std::uint64_t kMaxStride = std::numeric_limits<std::int64_t>::max();

const StorageClass* find_storage_class(DType dtype) noexcept {
  const auto* row = std::ranges::find(kStorageClasses, dtype, &StorageClass::dtype);
  return row == kStorageClasses.end() ? nullptr : row;
}

// The row of the table of element types; write_torch_pickle() is called for known ones only.
const DTypeInfo& info_of(DType dtype) noexcept { return *find_dtype(dtype); }

class Writer {
 public:
  Writer(ExportSource source, std::span<const TorchStorage> storages,
         std::span<const TorchView> views)
      : source_(source), storages_(storages), views_(views) {}

  Result<std::string> write() && {
    ordered_dict();
    pickle_.mark();
    for (std::size_t i = 0; i < source_.tensors.size(); ++i) {
      pickle_.text(source_.tensors[i].name);
      tensor(i);
    }
    WPACK_TRY(metadata());
    pickle_.set_items();
    return std::move(pickle_).finish();
  }

 private:
  void ordered_dict() {
    pickle_.global("collections", "OrderedDict");
    pickle_.empty_tuple();
    pickle_.reduce();
  }

  void tensor(std::size_t index) {
    const ExportTensor& tensor = source_.tensors[index];
    const TorchView& view = views_[index];
    const bool untyped = storages_[view.storage].untyped;
    const DTypeInfo& dtype = info_of(tensor.dtype);
    pickle_.global("torch._utils", untyped ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
    pickle_.mark();
    storage(view.storage);
    pickle_.integer(view.byte_offset / (dtype.bits / 8U));
    pickle_.shape(tensor.shape);
    pickle_.shape(contiguous_strides(tensor.shape));
    pickle_.boolean(false);  // requires_grad
    ordered_dict();          // backward hooks
    if (untyped) pickle_.global("torch", dtype.torch_name);
    pickle_.tuple();
    pickle_.reduce();
  }

  void storage(std::size_t index) {
    const TorchStorage& storage = storages_[index];
    const ExportTensor& owner = source_.tensors[storage.tensor];
    pickle_.mark();
    pickle_.repeated_text("storage");
    if (storage.untyped) {
      pickle_.global("torch.storage", "UntypedStorage");
    } else {
      pickle_.global("torch", find_storage_class(owner.dtype)->name);
    }
    pickle_.text(fmt::format("{}", index));
    pickle_.repeated_text("cpu");
    pickle_.integer(storage.untyped ? owner.nbytes
                                    : owner.nbytes / (info_of(owner.dtype).bits / 8U));
    pickle_.tuple();
    pickle_.persistent_id();
  }

  // As PyTorch counts them: a dimension of 0 counts as 1. The strides of an empty tensor mean
  // nothing, so they stop growing where they would not fit.
  static std::vector<std::uint64_t> contiguous_strides(Shape shape) {
    std::vector<std::uint64_t> strides(shape.size());
    std::uint64_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      strides[i] = stride;
      const auto next = base::checked_mul(stride, std::max<std::uint64_t>(shape[i], 1));
      if (next && *next <= kMaxStride) stride = *next;
    }
    return strides;
  }

  Status metadata() {
    std::unordered_set<std::string_view> names;
    for (const ExportTensor& tensor : source_.tensors) names.insert(tensor.name);
    for (const MetadataEntry& entry : source_.metadata) {
      if (entry.origin != MetadataOrigin::kCheckpoint || !names.insert(entry.key).second) continue;
      pickle_.text(entry.key);
      if (auto status = value(entry); !status) {
        return std::move(status).error().in(fmt::format("metadata \"{}\"", escape_name(entry.key)));
      }
    }
    return {};
  }

  Status value(const MetadataEntry& entry) {
    switch (entry.type) {
      case MetadataType::kString:
        pickle_.text(entry.value);
        return {};
      case MetadataType::kInteger:
        return pickle_.decimal(entry.value);
      case MetadataType::kFloat:
        return floating(entry.value);
      case MetadataType::kBool:
        pickle_.boolean(entry.value == "true");
        return {};
      case MetadataType::kNone:
        pickle_.none();
        return {};
    }
    return Error(ErrorCode::kBadInput, "a kind of value that this version does not know");
  }

  Status floating(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("\"{}\" is not a number", escape_name(text, 64)));
    }
    pickle_.floating(number);
    return {};
  }

  ExportSource source_;
  std::span<const TorchStorage> storages_;
  std::span<const TorchView> views_;
  PickleWriter pickle_;
};

}  // namespace

bool torch_can_hold(DType dtype) noexcept {
  const DTypeInfo* info = find_dtype(dtype);
  return info != nullptr && !info->torch_name.empty() &&
         std::ranges::find(kQuantized, dtype) == kQuantized.end();
}

bool has_storage_class(DType dtype) noexcept { return find_storage_class(dtype) != nullptr; }

Result<std::string> write_torch_pickle(ExportSource source, std::span<const TorchStorage> storages,
                                       std::span<const TorchView> views) {
  return Writer(source, storages, views).write();
}

}  // namespace wpack::exporting
