#include "import/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>

#include "import/safetensors_json.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::size_t kMaxNameSize = 4096;

Error tensor_error(const std::string& name, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("tensor \"{}\": {}", escape_name(name), reason)};
}

bool holds_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

Status check_name(const std::string& name) {
  if (name.empty()) return Error(ErrorCode::kBadInput, "a tensor has an empty name");
  if (name.size() > kMaxNameSize) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("tensor name of {} bytes (more than {}): \"{}\"", name.size(),
                             kMaxNameSize, escape_name(name, 64)));
  }
  if (holds_nul(name)) return tensor_error(name, "the name holds a NUL character");
  return {};
}

Status check_metadata(const std::vector<MetadataEntry>& metadata) {
  for (const MetadataEntry& entry : metadata) {
    if (entry.key.size() <= kMaxNameSize && !holds_nul(entry.key)) continue;
    return Error(ErrorCode::kBadInput,
                 fmt::format("__metadata__ key \"{}\" is longer than {} bytes or holds a NUL "
                             "character",
                             escape_name(entry.key, 64), kMaxNameSize));
  }
  return {};
}

Result<SourceTensor> check_entry(SafetensorsEntry&& entry) {
  WPACK_TRY(check_name(entry.name));
  const DTypeInfo* dtype = find_dtype_by_name(entry.dtype);
  if (dtype == nullptr || !dtype->safetensors) {
    return tensor_error(entry.name,
                        fmt::format("unknown element type \"{}\"", escape_name(entry.dtype, 64)));
  }
  if (entry.begin > entry.end) {
    return tensor_error(entry.name, fmt::format("data_offsets [{}, {}] end before they begin",
                                                entry.begin, entry.end));
  }
  const auto count = element_count(entry.shape);
  const auto nbytes = tensor_nbytes(dtype->dtype, entry.shape);
  if (!nbytes) return tensor_error(entry.name, "the product of its shape overflows");
  if (dtype->bits % 8 != 0 && *count * dtype->bits % 8 != 0) {
    return tensor_error(entry.name, fmt::format("{} elements of {} bits do not end at a byte",
                                                *count, dtype->bits));
  }
  if (*nbytes != entry.end - entry.begin) {
    return tensor_error(entry.name,
                        fmt::format("shape and dtype {} take {} bytes, but data_offsets hold {}",
                                    dtype->name, *nbytes, entry.end - entry.begin));
  }
  return SourceTensor{.name = std::move(entry.name),
                      .dtype = dtype->dtype,
                      .shape = std::move(entry.shape),
                      .nbytes = *nbytes,
                      .storage = std::nullopt};
}

// Every byte of the payload belongs to exactly one tensor. The tensors ascend by offset.
Status check_layout(const SafetensorsHeader& header, std::uint64_t payload_size) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < header.tensors.size(); ++i) {
    const SourceTensor& tensor = header.tensors[i];
    const std::uint64_t begin = header.begins[i];
    if (begin != end) {
      return tensor_error(
          tensor.name,
          fmt::format("its data begins at offset {}, but the data before it ends at {}", begin,
                      end));
    }
    end = begin + tensor.nbytes;
    if (end > payload_size) {
      return tensor_error(tensor.name,
                          fmt::format("its data ends at offset {} of {} bytes of tensor data: the "
                                      "file is cut short",
                                      end, payload_size));
    }
  }
  if (end == payload_size) return {};
  return Error(
      ErrorCode::kBadInput,
      fmt::format("{} bytes of tensor data, but the tensors end at offset {}", payload_size, end));
}

std::string describe_unknown_fields(const SafetensorsJson& json) {
  const std::string more = json.unknown_field_count > 1
                               ? fmt::format(" (and {} more)", json.unknown_field_count - 1)
                               : "";
  return fmt::format("tensor \"{}\": unknown field \"{}\"{} ignored",
                     escape_name(json.unknown_field_entry), escape_name(json.first_unknown_field),
                     more);
}

}  // namespace

Result<SafetensorsHeader> parse_safetensors_header(std::string_view text,
                                                   std::uint64_t payload_size, MemoryMeter meter) {
  MemoryMeter parsing = meter;
  parsing.add(text.size());
  WPACK_ASSIGN(SafetensorsJson json, parse_safetensors_json(text, parsing));
  WPACK_TRY(check_metadata(json.metadata));
  std::ranges::stable_sort(json.entries, {}, [](const SafetensorsEntry& entry) {
    return std::pair(entry.begin, entry.end);
  });
  SafetensorsHeader header;
  header.tensors.reserve(json.entries.size());
  header.begins.reserve(json.entries.size());
  for (SafetensorsEntry& entry : json.entries) {
    header.begins.push_back(entry.begin);
    meter.add_tensor(entry.name.size(), entry.shape.size());
    WPACK_TRY(meter.check());
    WPACK_ASSIGN(SourceTensor tensor, check_entry(std::move(entry)));
    header.tensors.push_back(std::move(tensor));
  }
  WPACK_TRY(check_layout(header, payload_size));
  header.metadata = std::move(json.metadata);
  if (json.unknown_field_count != 0) header.warnings.push_back(describe_unknown_fields(json));
  return header;
}

}  // namespace wpack::import
