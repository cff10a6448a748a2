#include "import/torch/tensor_rebuild.h"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>

#include "base/checked_math.h"
#include "import/bad_input.h"
#include "import/torch/view_limit.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::size_t kMaxTorchRank = 64;
constexpr std::size_t kMaxRank = 32;  // of a container
constexpr std::size_t kMaxMetadataItems = 32;
constexpr std::size_t kMaxKeySize = 1024;  // bytes
constexpr int kMaxWrappers = 16;           // a parameter of a typed tensor of ...

bool is_quantised(DType dtype) {
  return dtype == DType::kQI8 || dtype == DType::kQU8 || dtype == DType::kQI32 ||
         dtype == DType::kQU4X2 || dtype == DType::kQU2X4;
}

bool is_tensor_role(GlobalRole role) {
  switch (role) {
    case GlobalRole::kTensorClass:
    case GlobalRole::kRebuildTensor:
    case GlobalRole::kRebuildTensorV2:
    case GlobalRole::kRebuildTensorV3:
    case GlobalRole::kRebuildParameter:
    case GlobalRole::kRebuildFromType:
    case GlobalRole::kUnsupportedTensor:
      return true;
    default:
      return false;
  }
}

bool is_contiguous(Shape shape, std::span<const std::uint64_t> strides) {
  std::uint64_t expected = 1;  // cannot overflow: the number of elements fits into 64 bits
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    if (strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

// Returns how many elements the view spans from its first one, or nullopt on overflow. No
// dimension is 0.
std::optional<std::uint64_t> span_of(Shape shape, std::span<const std::uint64_t> strides) {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const auto reach = base::checked_mul(shape[i] - 1, strides[i]);
    const auto sum = reach ? base::checked_add(last, *reach) : std::nullopt;
    if (!sum) return std::nullopt;
    last = *sum;
  }
  return base::checked_add(last, 1);
}

}  // namespace

TensorRebuilder::TensorRebuilder(const PickleTree& tree, const ZipArchive& archive,
                                 std::uint64_t max_expansion)
    : tree_(tree), archive_(archive), gathered_limit_(unfolded_limit(archive, max_expansion)) {}

bool TensorRebuilder::is_tensor(NodeId id) const {
  if (tree_.kind(id) == NodeKind::kPersistent) return true;
  return tree_.kind(id) == NodeKind::kObject &&
         is_tensor_role(tree_.global(tree_.object(id).callable).info.role);
}

Result<TensorView> TensorRebuilder::rebuild(NodeId id) {
  if (tree_.kind(id) == NodeKind::kPersistent) return bare_storage(id);
  WPACK_ASSIGN(const Call call, find_innermost_call(id));
  return from_call(call);
}

// Parameters, typed tensors and old tensor classes wrap the call that names the storage.
Result<TensorRebuilder::Call> TensorRebuilder::find_innermost_call(NodeId id) const {
  WPACK_ASSIGN(Call call, call_of(id));
  for (int i = 0; i < kMaxWrappers; ++i) {
    if (call.role == GlobalRole::kRebuildParameter) {
      if (call.args.empty()) return bad("a parameter is rebuilt without a tensor");
      WPACK_ASSIGN(call, call_of(call.args[0]));
    } else if (call.role == GlobalRole::kRebuildFromType) {
      WPACK_ASSIGN(call, call_of_type(call.args));
    } else {
      return call;
    }
  }
  return bad("a tensor is wrapped too often");
}

Result<TensorRebuilder::Call> TensorRebuilder::call_of(NodeId id) const {
  if (!is_tensor(id) || tree_.kind(id) != NodeKind::kObject)
    return bad(fmt::format("{} stands where a tensor is expected", kind_name(tree_, id)));
  const PickleObject& object = tree_.object(id);
  const PickleGlobal& global = tree_.global(object.callable);
  if (global.info.role == GlobalRole::kUnsupportedTensor) {
    return bad(fmt::format("{} makes {}: not supported", global.text(), global.info.what));
  }
  if (global.info.role == GlobalRole::kTensorClass) return call_of_state(object);
  return Call{global.info.role, tree_.tuple(object.args)};
}

// _rebuild_from_type_v2(function, type, args, state): tensors that carry Python attributes.
Result<TensorRebuilder::Call> TensorRebuilder::call_of_type(std::span<const NodeId> args) const {
  const bool valid = args.size() == 4 && tree_.kind(args[0]) == NodeKind::kGlobal &&
                     tree_.kind(args[1]) == NodeKind::kGlobal &&
                     tree_.kind(args[2]) == NodeKind::kTuple;
  if (!valid) return bad("a typed tensor is not (function, type, arguments, state)");
  const PickleGlobal& function = tree_.global(args[0]);
  const PickleGlobal& type = tree_.global(args[1]);
  if (type.info.role != GlobalRole::kTensorClass)
    return bad(fmt::format("the tensor subclass {} is not supported", type.text()));
  if (function.info.role == GlobalRole::kUnsupportedTensor) {
    return bad(fmt::format("{} makes {}: not supported", function.text(), function.info.what));
  }
  if (!is_tensor_role(function.info.role) || function.info.role == GlobalRole::kTensorClass)
    return bad(fmt::format("{} is no function that rebuilds tensors", function.text()));
  return Call{function.info.role, tree_.tuple(args[2])};
}

// Tensors and parameters that were made as objects: Tensor() with the state (storage, offset, size,
// stride), or Parameter(data) with any state, or the state (data, ...) of a Variable.
Result<TensorRebuilder::Call> TensorRebuilder::call_of_state(const PickleObject& object) const {
  if (object.state != kNoNode && tree_.kind(object.state) == NodeKind::kTuple) {
    const auto state = tree_.tuple(object.state);
    if (state.size() == 4) return Call{GlobalRole::kRebuildTensor, state};
    if (state.size() == 5) return Call{GlobalRole::kRebuildParameter, state};
  }
  const auto args = tree_.tuple(object.args);
  if (!args.empty()) return Call{GlobalRole::kRebuildParameter, args};
  return bad(fmt::format("{} is made without data", tree_.global(object.callable).text()));
}

Result<TensorView> TensorRebuilder::bare_storage(NodeId id) {
  WPACK_ASSIGN(const Storage storage, resolve_storage(id));
  TensorView view;
  view.member = storage.member;
  view.dtype = storage.dtype;
  view.shape = {storage.size / (find_dtype(storage.dtype)->bits / 8U)};
  view.nbytes = storage.size;
  return view;
}

Result<TensorView> TensorRebuilder::from_call(const Call& call) {
  const std::size_t needed = call.role == GlobalRole::kRebuildTensor     ? 4
                             : call.role == GlobalRole::kRebuildTensorV2 ? 6
                                                                         : 7;
  const bool with_metadata = call.role != GlobalRole::kRebuildTensor;
  if (call.args.size() < needed || call.args.size() > needed + (with_metadata ? 1 : 0))
    return bad(fmt::format("a tensor is rebuilt from {} arguments", call.args.size()));
  WPACK_ASSIGN(const Storage storage, resolve_storage(call.args[0]));
  WPACK_ASSIGN(const std::uint64_t offset, number(call.args[1], "offset"));
  TensorView view;
  WPACK_ASSIGN(view.shape, numbers(call.args[2], "size"));
  WPACK_ASSIGN(auto strides, numbers(call.args[3], "stride"));
  view.member = storage.member;
  view.dtype = storage.dtype;
  if (call.role == GlobalRole::kRebuildTensorV3) {
    const NodeId dtype = call.args[6];
    if (tree_.kind(dtype) != NodeKind::kGlobal ||
        tree_.global(dtype).info.role != GlobalRole::kDType) {
      return bad(fmt::format("the element type {} is not known", kind_name(tree_, dtype)));
    }
    view.dtype = tree_.global(dtype).info.dtype;
  }
  if (call.args.size() > needed) WPACK_TRY(check_metadata(call.args[needed]));
  WPACK_TRY(place(storage, offset, std::move(strides), view));
  return view;
}

// Metadata says that the bytes are not the values.
Status TensorRebuilder::check_metadata(NodeId id) const {
  if (tree_.kind(id) == NodeKind::kNone) return {};
  if (tree_.kind(id) != NodeKind::kDict || tree_.item_count(id) > kMaxMetadataItems)
    return bad("a tensor's metadata is no small dictionary");
  ItemCursor cursor(tree_, id);
  for (NodeId key = cursor.next(); key != kNoNode; key = cursor.next()) {
    const NodeId value = cursor.next();
    const bool off = (tree_.kind(value) == NodeKind::kBool && !tree_.boolean(value)) ||
                     tree_.kind(value) == NodeKind::kNone;
    if (off) continue;
    const std::string name = tree_.kind(key) == NodeKind::kString ? escape_name(tree_.text(key), 64)
                                                                  : kind_name(tree_, key);
    if (name == "conj") return bad("it is a conjugate view ('conj'), which is not supported");
    if (name == "neg") return bad("it is a negative view ('neg'), which is not supported");
    return bad(fmt::format("its metadata '{}' is not supported", name));
  }
  return {};
}

Result<TensorRebuilder::Storage> TensorRebuilder::resolve_storage(NodeId id) {
  if (tree_.kind(id) != NodeKind::kPersistent)
    return bad(fmt::format("{} stands where a storage is expected", kind_name(tree_, id)));
  const auto parts = tree_.tuple(tree_.persistent_id(id));
  if (tree_.kind(parts[1]) != NodeKind::kGlobal ||
      tree_.global(parts[1]).info.role != GlobalRole::kStorageClass) {
    return bad(fmt::format("the storage class {} is not known", kind_name(tree_, parts[1])));
  }
  if (tree_.kind(parts[2]) != NodeKind::kString || tree_.text(parts[2]).size() > kMaxKeySize)
    return bad("a storage's key is no short string");
  Storage storage;
  storage.dtype = tree_.global(parts[1]).info.dtype;
  if (is_quantised(storage.dtype)) {
    return bad(fmt::format("{} holds quantised values, which are not supported",
                           tree_.global(parts[1]).text()));
  }
  WPACK_ASSIGN(const std::uint64_t count, number(parts[4], "number of elements"));
  const std::string key(tree_.text(parts[2]));
  const ZipMember* member = archive_.find("data/" + key);
  if (member == nullptr) {
    return bad(
        fmt::format("the archive has no member 'data/{}' for its storage", escape_name(key, 256)));
  }
  const auto size = base::checked_mul(count, find_dtype(storage.dtype)->bits / 8U);
  if (!size || *size != member->size) {
    return Error(
        ErrorCode::kIntegrity,
        fmt::format("storage '{}' of {} {} elements does not have the {} bytes of its "
                    "member in the archive",
                    escape_name(key, 256), count, dtype_name(storage.dtype), member->size));
  }
  storage.size = *size;
  storage.member = static_cast<std::uint32_t>(member - archive_.members().data());
  return storage;
}

Result<std::uint64_t> TensorRebuilder::number(NodeId id, std::string_view what) const {
  if (tree_.kind(id) == NodeKind::kInteger && tree_.integer(id) >= 0)
    return static_cast<std::uint64_t>(tree_.integer(id));
  if (tree_.kind(id) == NodeKind::kInteger)
    return bad(fmt::format("its {} is negative ({})", what, tree_.integer(id)));
  return bad(fmt::format("its {} is no number that fits ({})", what, kind_name(tree_, id)));
}

Result<std::vector<std::uint64_t>> TensorRebuilder::numbers(NodeId id,
                                                            std::string_view what) const {
  if (tree_.kind(id) != NodeKind::kTuple && tree_.kind(id) != NodeKind::kList)
    return bad(fmt::format("its {} is no tuple ({})", what, kind_name(tree_, id)));
  std::vector<std::uint64_t> values;
  ItemCursor cursor(tree_, id);
  for (NodeId item = cursor.next(); item != kNoNode; item = cursor.next()) {
    if (values.size() == kMaxTorchRank)
      return bad(fmt::format("it has more than {} dimensions", kMaxTorchRank));
    WPACK_ASSIGN(const std::uint64_t value, number(item, what));
    values.push_back(value);
  }
  return values;
}

Status TensorRebuilder::place(const Storage& storage, std::uint64_t offset,
                              std::vector<std::uint64_t> strides, TensorView& view) {
  if (strides.size() != view.shape.size()) {
    return bad(
        fmt::format("it has {} dimensions and {} strides", view.shape.size(), strides.size()));
  }
  if (view.shape.size() > kMaxRank) {
    return Error(ErrorCode::kLimit, fmt::format("it has {} dimensions, a container holds {}",
                                                view.shape.size(), kMaxRank));
  }
  if (is_quantised(view.dtype)) {
    return bad(
        fmt::format("the quantised element type {} is not supported", dtype_name(view.dtype)));
  }
  const auto nbytes = tensor_nbytes(view.dtype, view.shape);
  if (!nbytes) return bad("its size does not fit into 64 bits");
  view.nbytes = *nbytes;
  if (view.nbytes == 0) return {};
  const std::uint64_t element = find_dtype(view.dtype)->bits / 8U;
  const auto span = span_of(view.shape, strides);
  const auto end = span ? base::checked_add(offset, *span) : std::nullopt;
  const auto end_byte = end ? base::checked_mul(*end, element) : std::nullopt;
  if (!end_byte || *end_byte > storage.size)
    return bad(fmt::format("it reaches outside its storage of {} bytes", storage.size));
  view.byte_offset = offset * element;
  if (is_contiguous(view.shape, strides)) return {};
  view.strides = std::move(strides);
  return check_expansion(view);
}

// Many views together are held to the whole archive, lest a small file unfold into a huge one.
Status TensorRebuilder::check_expansion(const TensorView& view) {
  gathered_size_ = base::checked_add(gathered_size_, view.nbytes).value_or(base::kUnlimited);
  if (gathered_size_ > gathered_limit_) {
    return Error(ErrorCode::kLimit,
                 fmt::format("the strided views up to here take {} bytes, more than the {} that "
                             "those of an archive of {} bytes may take",
                             gathered_size_, gathered_limit_, archive_.stored_size()));
  }
  return {};
}

}  // namespace wpack::import
