#include "export/safetensors_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "base/align.h"
#include "base/checked_math.h"
#include "base/little_endian.h"
#include "base/utf8.h"
#include "wpack/text.h"

namespace wpack::exporting {
namespace {

constexpr std::size_t kLengthSize = 8;
constexpr std::size_t kMaxHeaderSize = 100'000'000;              // of the format
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 53;  // exact in every JSON reader
constexpr std::string_view kMetadataKey = "__metadata__";

// The order in which the reference library writes element types.
constexpr auto kRanks = std::to_array<DType>({
    DType::kU64,    DType::kI64,        DType::kF64,        DType::kC64,    DType::kF32,
    DType::kU32,    DType::kI32,        DType::kBF16,       DType::kF16,    DType::kU16,
    DType::kI16,    DType::kF8E5M2FNUZ, DType::kF8E4M3FNUZ, DType::kF8E8M0, DType::kF8E4M3,
    DType::kF8E5M2, DType::kI8,         DType::kU8,         DType::kF6E3M2, DType::kF6E2M3,
    DType::kF4,     DType::kBool,
});

std::size_t rank_of(DType dtype) {
  const auto* rank = std::ranges::find(kRanks, dtype);
  return static_cast<std::size_t>(rank - kRanks.begin());
}

Error tensor_error(std::string_view name, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("tensor \"{}\": {}", escape_name(name), reason)};
}

Error too_large() {
  return {ErrorCode::kLimit, fmt::format("the safetensors header would be larger than the {} bytes "
                                         "that the format allows",
                                         kMaxHeaderSize)};
}

Status check_tensor(const ExportTensor& tensor) {
  const DTypeInfo* dtype = find_dtype(tensor.dtype);
  if (dtype == nullptr || !dtype->safetensors) {
    return tensor_error(
        tensor.name, fmt::format("safetensors has no element type {}", dtype_name(tensor.dtype)));
  }
  // Only beside a dimension of 0.
  if (std::ranges::any_of(tensor.shape, [](std::uint64_t size) { return size > kMaxDimension; }))
    return tensor_error(tensor.name, "safetensors cannot hold a dimension of more than 2^53");
  const auto count = element_count(tensor.shape);
  if (!count || *count % 8 * dtype->bits % 8 != 0)
    return tensor_error(tensor.name, "its elements do not end at a byte, as safetensors wants it");
  if (tensor.name == kMetadataKey)
    return tensor_error(tensor.name, "safetensors keeps this name for metadata");
  if (!base::is_utf8(tensor.name)) return tensor_error(tensor.name, "the name is not UTF-8");
  return {};
}

// The text must be UTF-8.
std::string quote(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<std::string> write_metadata(std::span<const MetadataEntry> metadata) {
  std::string text;
  std::unordered_set<std::string_view> keys;
  for (const MetadataOrigin origin : {MetadataOrigin::kSafetensors, MetadataOrigin::kCheckpoint}) {
    for (const MetadataEntry& entry : metadata) {
      if (entry.origin != origin || !keys.insert(entry.key).second) continue;
      if (!base::is_utf8(entry.key) || !base::is_utf8(entry.value)) {
        return Error(ErrorCode::kBadInput,
                     fmt::format("metadata \"{}\": not UTF-8", escape_name(entry.key)));
      }
      if (entry.key.size() + entry.value.size() >
          kMaxHeaderSize - std::min(text.size(), kMaxHeaderSize))
        return too_large();
      text += fmt::format("{}{}:{}", text.empty() ? "" : ",", quote(entry.key), quote(entry.value));
    }
  }
  return text;
}

std::vector<std::size_t> sort_for_file(std::span<const ExportTensor> tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t index) {
    return std::pair(rank_of(tensors[index].dtype), tensors[index].name);
  });
  return order;
}

void append_entry(const ExportTensor& tensor, std::uint64_t begin, std::string& header) {
  header +=
      fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                  header.back() == '{' ? "" : ",", quote(tensor.name), dtype_name(tensor.dtype),
                  fmt::join(tensor.shape, ","), begin, begin + tensor.nbytes);
}

}  // namespace

Result<SafetensorsLayout> plan_safetensors(ExportSource source) {
  SafetensorsLayout layout;
  layout.positions.resize(source.tensors.size());
  WPACK_ASSIGN(const std::string metadata, write_metadata(source.metadata));
  std::string header = "{";
  if (!metadata.empty()) header += fmt::format("\"{}\":{{{}}}", kMetadataKey, metadata);
  std::uint64_t end = 0;
  for (const std::size_t index : sort_for_file(source.tensors)) {
    const ExportTensor& tensor = source.tensors[index];
    WPACK_TRY(check_tensor(tensor));
    append_entry(tensor, end, header);
    layout.positions[index] = end;
    const auto next = base::checked_add(end, tensor.nbytes);
    if (!next) return tensor_error(tensor.name, "the file would be larger than 2^64 bytes");
    end = *next;
  }
  header += '}';
  header.resize(base::align_up(header.size(), kLengthSize), ' ');
  if (header.size() > kMaxHeaderSize) return too_large();
  std::byte length[kLengthSize];
  base::store_le<std::uint64_t>(length, header.size());
  layout.front.assign(reinterpret_cast<const char*>(length), kLengthSize);
  layout.front += header;
  for (std::uint64_t& position : layout.positions) position += layout.front.size();
  layout.file_size = layout.front.size() + end;
  return layout;
}

}  // namespace wpack::exporting
