#include "decoded_source.h"

#include <algorithm>
#include <array>

namespace wpack::fuzz {
namespace {

constexpr std::size_t kMaxTensors = 8;
constexpr std::size_t kMaxStorage = 66'000;

// Sizes on both sides of the alignment classes and of a chunk; most are small.
std::uint64_t storage_size(Input& input) {
  const std::uint64_t size = input.byte();
  switch (input.below(32)) {
    case 1:
      return 65'536 - 8 + size % 16;
    case 2:
      return 65'536 + size;
    case 3:
      return size * 16;
    case 4:
      return 4096 - 4 + size % 8;
    case 5:
      return 0;
    default:
      return size;
  }
}

// Few seeds, so that contents are equal again and again.
constexpr std::uint8_t kSeeds = 4;

std::vector<std::byte> long_bytes(std::uint8_t seed) {
  std::vector<std::byte> bytes(kMaxStorage);
  for (std::size_t i = 0; seed != 0 && i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>((i * 31 + seed) ^ (i >> 8U));
  return bytes;
}

std::vector<std::byte> storage_bytes(std::uint64_t size, std::uint8_t seed) {
  static const std::array<std::vector<std::byte>, kSeeds> all = {long_bytes(0), long_bytes(1),
                                                                 long_bytes(2), long_bytes(3)};
  const Bytes bytes = Bytes(all[seed % kSeeds]).first(size);
  return {bytes.begin(), bytes.end()};
}

std::string tensor_name(Input& input) {
  constexpr std::array<const char*, 12> kParts = {"model",  "layers", "embeddings", "h",
                                                  "norm",   "head",   "weight",     "bias",
                                                  "blocks", "a",      "é",          ""};
  std::string name;
  for (auto parts = input.below(5); parts > 0; --parts) {
    const std::uint8_t choice = input.byte();
    if (!name.empty()) name += '.';
    if (choice < 128) {
      name += kParts[choice % kParts.size()];
    } else if (choice < 200) {
      name += std::to_string(choice - 128);
    } else {
      name += input.text(choice % 8);
    }
  }
  return name;
}

DType element_type(Input& input) {
  const auto all = all_dtypes();
  const std::uint8_t choice = input.byte();
  return choice == 255 ? static_cast<DType>(999) : all[choice % all.size()].dtype;
}

}  // namespace

DecodedSource::DecodedSource(Input& input) {
  description_.format = input.one_in(4) ? "torch-zip" : "safetensors";
  description_.order = input.one_in(2) ? SourceOrder::kUse : SourceOrder::kName;
  description_.files.push_back({.name = "model.bin",
                                .size = input.number(2),
                                .digest_high = input.byte(),
                                .digest_low = input.byte()});
  add_storages(input);
  for (auto count = input.below(kMaxTensors + 1); count > 0; --count) add_tensor(input);
  for (auto count = input.below(4); count > 0; --count) add_metadata(input);
  for (auto count = input.below(3); count > 0; --count) add_attachment(input);
}

void DecodedSource::add_storages(Input& input) {
  for (auto count = 1 + input.below(5); count > 0; --count) {
    const std::uint64_t size = storage_size(input);
    storages_.push_back(storage_bytes(size, input.byte()));
  }
}

// Takes a shape and a place in a storage, and a smaller shape where it does not fit.
void DecodedSource::add_tensor(Input& input) {
  SourceTensor tensor;
  tensor.name = tensor_name(input);
  tensor.dtype = element_type(input);
  const auto storage = input.below(static_cast<unsigned>(storages_.size()));
  const std::vector<std::byte>& bytes = storages_[storage];
  const std::uint8_t form = input.byte();
  const DTypeInfo* info = find_dtype(tensor.dtype);
  const std::uint64_t bits = info == nullptr ? 8 : info->bits;
  if (form % 4 == 0) {  // all of the storage
    tensor.shape = {bytes.size() * 8 / bits};
  } else {
    for (auto rank = form % 4 - 1; rank > 0; --rank) tensor.shape.push_back(input.below(20));
  }
  if (form >= 250) tensor.shape.insert(tensor.shape.end(), 2, std::uint64_t{1} << (form % 64));
  auto nbytes = tensor_nbytes(tensor.dtype, tensor.shape);
  if (nbytes.value_or(0) > bytes.size()) {
    tensor.shape = {bytes.size() * 8 / bits, 1};
    nbytes = tensor_nbytes(tensor.dtype, tensor.shape);
  }
  tensor.nbytes = nbytes.value_or(form % 3);
  const std::uint64_t room = bytes.size() - std::min<std::uint64_t>(tensor.nbytes, bytes.size());
  const std::uint64_t wanted = form % 4 == 0 ? 0 : input.byte();
  const std::uint64_t offset = std::min(room, form % 2 == 0 ? wanted : wanted * bits / 8);
  if (form % 8 != 7) tensor.storage = SourceStorage{storage, offset};
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  const auto held = std::min<std::uint64_t>(tensor.nbytes, bytes.size() - offset);
  tensors_.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(held));
  tensors_.back().resize(tensor.nbytes);
  description_.tensors.push_back(std::move(tensor));
}

void DecodedSource::add_metadata(Input& input) {
  constexpr std::array<const char*, 6> kFloats = {"0.5", "-inf", "nan", "1e-300", "3", "-0"};
  MetadataEntry entry;
  entry.key = input.text(input.below(8));
  entry.type = static_cast<MetadataType>(1 + input.below(5));
  entry.origin = static_cast<MetadataOrigin>(1 + input.below(2));
  if (entry.origin == MetadataOrigin::kSafetensors) entry.type = MetadataType::kString;
  switch (entry.type) {
    case MetadataType::kString:
      entry.value = input.text(input.below(8));
      break;
    case MetadataType::kInteger:
      entry.value = std::to_string(static_cast<std::int64_t>(input.number(8)));
      if (input.one_in(8)) entry.value += "00000000000000000007";
      break;
    case MetadataType::kFloat:
      entry.value = kFloats[input.below(kFloats.size())];
      break;
    case MetadataType::kBool:
      entry.value = input.one_in(2) ? "true" : "false";
      break;
    case MetadataType::kNone:
      break;
  }
  description_.metadata.push_back(std::move(entry));
}

void DecodedSource::add_attachment(Input& input) {
  constexpr std::array<const char*, 4> kNames = {"config.json", "tokenizer.model", "a", "Z-9_.x"};
  const std::uint8_t choice = input.byte();
  SourceAttachment attachment;
  attachment.name = choice < 240 ? kNames[choice % kNames.size()] : std::string(input.text(3));
  attachments_.push_back(storage_bytes(input.byte(), choice));
  attachment.size = attachments_.back().size();
  description_.attachments.push_back(std::move(attachment));
}

Status DecodedSource::read(std::size_t index, std::uint64_t offset, MutableBytes out) {
  std::ranges::copy(Bytes(tensors_[index]).subspan(offset, out.size()), out.begin());
  return {};
}

Status DecodedSource::read_attachment(std::size_t index, std::uint64_t offset, MutableBytes out) {
  std::ranges::copy(attachment(index).subspan(offset, out.size()), out.begin());
  return {};
}

}  // namespace wpack::fuzz
