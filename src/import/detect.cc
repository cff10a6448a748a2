#include "import/detect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/little_endian.h"
#include "import/torch/torch_source.h"

namespace wpack::import {
namespace {

using namespace std::string_view_literals;

// The length field and `{}`; no checkpoint of any kind is smaller.
constexpr std::uint64_t kSmallestCheckpoint = 10;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view refusal;
};

constexpr std::string_view kGgml =
    "is a GGML model file; GGUF and its forerunners are not supported";
constexpr std::string_view kLegacyTorch =
    "is a PyTorch checkpoint in the form from before PyTorch 1.6; load it with torch.load and save "
    "it again with torch.save";
constexpr std::string_view kBarePickle =
    "is a bare pickle, not a checkpoint of torch.save or safetensors; save its tensors with either";
constexpr std::string_view kHtml = "is an HTML page, not weights; the download probably failed";
constexpr std::string_view kCompressed =
    "is compressed as a whole ({}); decompress it and pack the file inside";

// The first match counts. Every one of these differs in its first eight bytes from a safetensors
// length that is within the format's limit, so the order against that format is free.
constexpr auto kSignatures = std::to_array<Signature>({
    {0, "version https://git-lfs"sv,
     "is a Git LFS pointer, not the weights; fetch them with `git lfs pull`"},
    {0, "\x89WPK\r\n\x1a\n"sv,
     "is one file of a wpack container, which is packed already; name the container's directory"},
    {0, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e"sv, kLegacyTorch},
    {257, "ustar"sv,
     "is a tar archive; unpack it first, or, if it is a PyTorch checkpoint from before 0.2, load "
     "it with torch.load and save it again with torch.save"},
    {0, "GGUF"sv, kGgml},
    {0, "ggml"sv, kGgml},
    {0, "ggmf"sv, kGgml},
    {0, "ggjt"sv, kGgml},
    {0, "lmgg"sv, kGgml},
    {0, "fmgg"sv, kGgml},
    {0, "tjgg"sv, kGgml},
    {4, "ORTM"sv,
     "is an ONNX Runtime model (.ort); its weights are inside a compiled graph, which is not "
     "supported"},
    {4, "ET1"sv, "is an ExecuTorch program (.pte); compiled programs are not supported"},
    {4, "FT01"sv, "is an ExecuTorch data file (.ptd), which is not supported"},
    {4, "TFL3"sv, "is a TensorFlow Lite model, which is not supported"},
    {4, "PTMF"sv,
     "is a PyTorch Mobile model (FlatBuffers); compiled programs are not supported, pack the "
     "checkpoint it was made from"},
    {0, "PYTORCH1"sv, "is a TorchScript file of a form that no released PyTorch reads"},
    {0, "\x89HDF\r\n\x1a\n"sv,
     "is an HDF5 file (Keras or similar); HDF5 is not supported, save the weights as safetensors"},
    {0, "\x93NUMPY"sv, "is a NumPy array (.npy), not a set of named tensors"},
    {0, "PK\x05\x06"sv, "is an empty zip archive"},
    {0, "PK\x07\x08"sv, "is a split zip archive; join its parts first"},
    {0, "\x80\x02"sv, kBarePickle},
    {0, "\x80\x03"sv, kBarePickle},
    {0, "\x80\x04"sv, kBarePickle},
    {0, "\x80\x05"sv, kBarePickle},
});

struct Compression {
  std::string_view bytes;
  std::string_view name;
};
constexpr auto kCompressions = std::to_array<Compression>({
    {"\x1f\x8b"sv, "gzip"},
    {"\x28\xb5\x2f\xfd"sv, "zstd"},
    {"\xfd\x37zXZ\0"sv, "xz"},
    {"BZh"sv, "bzip2"},
    {"7z\xbc\xaf\x27\x1c"sv, "7-Zip"},
});

bool is_json_space(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

std::string_view skip_json_space(std::string_view text) {
  const auto* end = std::ranges::find_if_not(text, is_json_space);
  return text.substr(static_cast<std::size_t>(end - text.begin()));
}

// An object begins behind the length field. `text` is the front of the file: white space may fill
// all of it.
bool has_object_behind_length(std::string_view text) {
  if (text.size() < kSmallestCheckpoint) return false;
  const std::string_view header = skip_json_space(text.substr(8));
  return header.empty() ? text.size() == kDetectSize : header.front() == '{';
}

// No other format that is known here has four zero bytes at 4.
bool has_plausible_length(std::string_view text) { return text.substr(4, 4) == "\0\0\0\0"sv; }

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::ranges::equal(text.substr(0, lower_case.size()), lower_case, {}, [](char byte) {
           return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
         });
}

// What a text file is, if it is one of the texts that turn up in place of weights.
std::optional<std::string> describe_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf"sv)) text.remove_prefix(3);
  text = skip_json_space(text);
  if (starts_with_ignoring_case(text, "<!doctype") || starts_with_ignoring_case(text, "<html"))
    return std::string(kHtml);
  if (starts_with_ignoring_case(text, "<?xml"))
    return "is an XML document, not weights; if it was downloaded, the server sent an error";
  if (!text.starts_with('{')) return std::nullopt;
  return "is a JSON text, not weights";
}

// What a writer puts before the weight map is short.
bool looks_like_index(std::string_view text) {
  return skip_json_space(text).starts_with('{') &&
         text.find("\"weight_map\"") != std::string_view::npos;
}

// The name of the first member of a zip archive, as far as it lies in the front.
std::string_view first_member_name(std::string_view text) {
  constexpr std::size_t kLocalHeaderSize = 30;
  if (text.size() < kLocalHeaderSize) return {};
  const auto* name_size = reinterpret_cast<const std::byte*>(text.data() + 26);
  return text.substr(kLocalHeaderSize, base::load_le<std::uint16_t>(name_size));
}

Detection detect_zip(std::string_view text) {
  const std::string_view name = first_member_name(text);
  if (name.ends_with(".npy")) {
    return {FileFormat::kRefused,
            "is a NumPy archive (.npz), which is not supported; save the arrays as safetensors"};
  }
  if (name == "metadata.json" || name.ends_with(".weights.h5")) {
    return {FileFormat::kRefused,
            "is a Keras model (.keras), which is not supported; save the weights as safetensors"};
  }
  return {FileFormat::kTorchZip, {}};
}

// ModelProto begins with ir_version (field 1, a small number), followed by another of its fields.
bool looks_like_onnx(std::string_view text) {
  constexpr auto kFieldTags = "\x12\x1a\x22\x28\x32\x3a\x42\x72"sv;
  return text.size() >= kSmallestCheckpoint && text[0] == '\x08' && text[1] >= 1 && text[1] <= 99 &&
         kFieldTags.find(text[2]) != std::string_view::npos;
}

std::optional<std::string> describe_signature(std::string_view text) {
  for (const Signature& signature : kSignatures) {
    if (text.size() >= signature.offset &&
        text.substr(signature.offset).starts_with(signature.bytes))
      return std::string(signature.refusal);
  }
  for (const Compression& compression : kCompressions) {
    if (text.starts_with(compression.bytes))
      return fmt::format(fmt::runtime(kCompressed), compression.name);
  }
  return std::nullopt;
}

std::string describe_unknown(std::string_view text, std::uint64_t file_size) {
  if (file_size < kSmallestCheckpoint)
    return fmt::format("is too small to be a checkpoint ({} bytes)", file_size);
  std::string bytes;
  for (const char byte : text.substr(0, 8))
    bytes += fmt::format(" {:02x}", static_cast<unsigned char>(byte));
  return fmt::format("is in no format that wpack knows (it begins with{})", bytes);
}

}  // namespace

Detection detect_file(Bytes front, std::uint64_t file_size) {
  const std::string_view text(reinterpret_cast<const char*>(front.data()), front.size());
  if (text.empty()) return {FileFormat::kRefused, "is empty"};
  // Before everything else: the length of a valid header may spell any other format's signature.
  const bool object = has_object_behind_length(text);
  if (object && has_plausible_length(text)) return {FileFormat::kSafetensors, {}};
  if (looks_like_zip(front)) return detect_zip(text);
  if (auto refusal = describe_signature(text)) return {FileFormat::kRefused, *std::move(refusal)};
  if (looks_like_index(text)) return {FileFormat::kIndex, {}};
  if (auto refusal = describe_text(text)) return {FileFormat::kRefused, *std::move(refusal)};
  if (looks_like_onnx(text))
    return {FileFormat::kRefused, "is an ONNX model; ONNX is not supported yet"};
  // Only safetensors' own reader can say what is wrong with such a length.
  if (object) return {FileFormat::kSafetensors, {}};
  return {FileFormat::kRefused, describe_unknown(text, file_size)};
}

}  // namespace wpack::import
