// write_samples DIRECTORY: writes what the sinks make of tensors in memory, for check_samples.py,
// which reads the files with the real libraries.
#include <cstdio>
#include <string>

#include "export/memory_tensors.h"

namespace wpack::exporting {
namespace {

// What check_samples.py expects: byte i of the tensor's payload.
std::string pattern(std::size_t size, bool boolean) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(boolean ? i % 2 : (i * 7 + 3) % 251);
  return bytes;
}

MemoryTensor make(const std::string& name, DType dtype, const std::vector<std::uint64_t>& shape) {
  const std::size_t size = tensor_nbytes(dtype, shape).value_or(0);
  return {
      .name = name, .dtype = dtype, .shape = shape, .bytes = pattern(size, dtype == DType::kBool)};
}

// A view of tensors[owner] from byte `offset` on.
MemoryTensor view(const std::vector<MemoryTensor>& tensors, std::size_t owner,
                  const std::string& name, DType dtype, const std::vector<std::uint64_t>& shape,
                  std::uint64_t offset) {
  return {.name = name,
          .dtype = dtype,
          .shape = shape,
          .bytes = tensors[owner].bytes.substr(offset, tensor_nbytes(dtype, shape).value_or(0)),
          .tied_to = owner,
          .tied_offset = offset};
}

// What every PyTorch since 1.6 reads.
std::vector<MemoryTensor> classic_tensors() {
  std::vector<MemoryTensor> tensors;
  for (const DType dtype :
       {DType::kBool, DType::kU8, DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kF16,
        DType::kBF16, DType::kF32, DType::kF64, DType::kC64, DType::kC128})
    tensors.push_back(make("t." + std::string(find_dtype(dtype)->torch_name), dtype, {2, 3}));
  tensors.push_back(make("zero_dimensional", DType::kF32, {}));
  tensors.push_back(make("empty", DType::kI64, {2, 0, 3}));
  tensors.push_back(
      make("gr\xc3\xb6\xc3\x9f"
           "e.\xe9\x87\x8d\xe3\x81\xbf",
           DType::kU8, {3}));
  tensors.push_back(make("control\x01\n\"\\", DType::kU8, {3}));
  tensors.push_back(make(std::string(4096, 'n'), DType::kU8, {3}));
  const std::size_t owner = tensors.size();
  tensors.push_back(make("owner", DType::kF32, {70'000}));
  tensors.push_back(view(tensors, owner, "tied", DType::kF32, {70'000}, 0));
  tensors.push_back(view(tensors, owner, "part", DType::kF32, {2, 3}, 40));
  return tensors;
}

// All that a current PyTorch reads.
std::vector<MemoryTensor> all_tensors() {
  std::vector<MemoryTensor> tensors = classic_tensors();
  for (const DTypeInfo& row : all_dtypes()) {
    const bool quantized = row.torch_name.starts_with("q");
    if (!row.torch_name.empty() && !quantized)
      tensors.push_back(make("all." + std::string(row.torch_name), row.dtype, {2, 4}));
  }
  const std::size_t owner = tensors.size();
  tensors.push_back(make("mixed", DType::kF32, {8}));
  tensors.push_back(view(tensors, owner, "mixed_u16", DType::kU16, {4}, 8));
  tensors.push_back(view(tensors, owner, "mixed_i64", DType::kI64, {2}, 16));
  return tensors;
}

std::vector<MetadataEntry> metadata() {
  const auto entry = [](const char* key, const char* value, MetadataType type) {
    return MetadataEntry{
        .key = key, .value = value, .type = type, .origin = MetadataOrigin::kCheckpoint};
  };
  return {entry("meta.text", "gr\xc3\xbc\xc3\x9f\n", MetadataType::kString),
          entry("meta.integer", "-123456789012345678901234567890", MetadataType::kInteger),
          entry("meta.small", "7", MetadataType::kInteger),
          entry("meta.float", "-0.1", MetadataType::kFloat),
          entry("meta.infinite", "inf", MetadataType::kFloat),
          entry("meta.true", "true", MetadataType::kBool),
          entry("meta.none", "", MetadataType::kNone)};
}

Status write_samples(const std::string& directory) {
  const auto torch = [](const os::File& file, ExportSource source) {
    return make_torch_sink(file, source, "sample");
  };
  WPACK_TRY(write_file(directory + "/plain.pt", classic_tensors(), {}, torch));
  WPACK_TRY(write_file(directory + "/scalars.pt", classic_tensors(), metadata(), torch));
  WPACK_TRY(write_file(directory + "/all.pt", all_tensors(), metadata(), torch));
  std::vector<MemoryTensor> tensors;
  for (MemoryTensor& tensor : classic_tensors())
    if (tensor.dtype != DType::kC128) tensors.push_back(std::move(tensor));
  return write_file(directory + "/plain.safetensors", tensors, metadata(), make_safetensors_sink);
}

}  // namespace
}  // namespace wpack::exporting

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto status = wpack::exporting::write_samples(argv[1]);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message().c_str());
  return status ? 0 : 1;
}
