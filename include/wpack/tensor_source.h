// The seam between input formats and the packer: a TensorSource describes the tensors of a source
// and hands out their bytes. wpack's own importers (PyTorch, safetensors) implement it, and so may
// a program that has its weights somewhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"
#include "wpack/types.h"

namespace wpack {

// Where a tensor lies in a storage of the source. Two tensors with the same `id` share memory in
// the source ("tied weights" when the ranges are equal, views when one contains the other).
struct SourceStorage {
  std::uint32_t id = 0;           // any number that is unique to the storage within its source
  std::uint64_t byte_offset = 0;  // of the tensor's first byte in the storage
};

// One tensor of a source.
struct SourceTensor {
  std::string name;  // UTF-8 without NUL, 1 to 4,096 bytes, unique in the source
  DType dtype = DType::kU8;
  std::vector<std::uint64_t> shape;  // row-major
  std::uint64_t nbytes = 0;          // always tensor_nbytes(dtype, shape)
  // Set when the tensor's bytes are one unbroken run of a storage; unset when it is gathered
  // (transposed, expanded) or converted, so that it can share bytes with nothing.
  std::optional<SourceStorage> storage;
};

// A non-tensor value that travels with the tensors.
enum class MetadataOrigin : std::uint8_t {
  kSafetensors = 1,  // an entry of safetensors' `__metadata__`
  kCheckpoint = 2,   // a number, string, boolean or None of a PyTorch checkpoint, by dotted path
};
enum class MetadataType : std::uint8_t {
  kString = 1,
  kInteger = 2,  // decimal
  kFloat = 3,    // shortest decimal text that reads back to the same double; inf, -inf, nan
  kBool = 4,     // "true" or "false"
  kNone = 5,     // empty
};
struct MetadataEntry {
  std::string key;    // UTF-8 without NUL, 0 to 4,096 bytes
  std::string value;  // UTF-8; the text of a value of `type`
  MetadataType type = MetadataType::kString;
  MetadataOrigin origin = MetadataOrigin::kSafetensors;
  friend bool operator==(const MetadataEntry&, const MetadataEntry&) = default;
};

// One file that the source was read from.
struct SourceFile {
  // Base name, never a path: 1 to 4,096 bytes of UTF-8 without NUL. Of a file whose name is not
  // UTF-8, every byte that is in no well-formed character is U+FFFD.
  std::string name;
  std::uint64_t size = 0;  // bytes
  // XXH3-128 of the file's own metadata (safetensors: the header; PyTorch zip: the central
  // directory, which holds a CRC-32 of every member, and data.pkl), high and low half.
  std::uint64_t digest_high = 0;
  std::uint64_t digest_low = 0;
};

// A small file that is stored beside the tensors, such as a tokenizer.
struct SourceAttachment {
  std::string name;  // 1 to 255 bytes of A-Z a-z 0-9 . _ - and not starting with a dot; unique
  std::uint64_t size = 0;  // bytes
};

// What order the tensors of a description stand in.
enum class SourceOrder {
  kUse,   // the source's own order is the best guess of the order of use (PyTorch)
  kName,  // the source sorts by name or size, so the packer derives the order (safetensors)
};

// Everything about a source but its bytes.
struct SourceDescription {
  std::string format;  // "torch-zip", "safetensors"
  SourceOrder order = SourceOrder::kUse;
  std::vector<SourceFile> files;
  std::vector<SourceTensor> tensors;
  std::vector<MetadataEntry> metadata;
  std::vector<SourceAttachment> attachments;
  std::vector<std::string> warnings;        // one line each, for the user, escaped for a terminal
  std::vector<std::string> dropped_leaves;  // dotted path and kind of every leaf that is not kept
  // Of a folder: the name of every file that is not kept, escaped, with the reason where it is not
  // plain. Hidden files are not listed.
  std::vector<std::string> left_out_files;
};

// A source of tensors.
//
// Thread safety: one thread at a time.
class WPACK_EXPORT TensorSource {
 public:
  TensorSource() = default;
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;
  virtual ~TensorSource() = default;

  // Returns the description; it does not change while the source lives.
  [[nodiscard]] virtual const SourceDescription& description() const noexcept = 0;

  // Fills `out` with the logical bytes [offset, offset + out.size()) of tensor `index`:
  // little-endian, row-major, without gaps. The range lies inside the tensor.
  // Errors: kIo (with file and offset), kIntegrity (a checksum of the source does not match),
  // kBadInput, kLimit. Reading a tensor from front to back is the fast path; any other order works.
  [[nodiscard]] virtual Status read(std::size_t index, std::uint64_t offset, MutableBytes out) = 0;

  // Fills `out` with the bytes [offset, offset + out.size()) of attachment `index`. The range lies
  // inside it. Only sources that describe attachments need it. Errors: as read().
  [[nodiscard]] virtual Status read_attachment(std::size_t index, std::uint64_t offset,
                                               MutableBytes out);

  // Checks what only a complete reading can show: checksums of bytes that no tensor covered, and
  // that the source's files did not change since they were opened (kIo if they did). Called once,
  // after the last read and before a container is published. That may mean reading all that no
  // tensor covered: `keep_going` is asked after every few megabytes. Errors: those of read(),
  // kCancelled.
  [[nodiscard]] virtual Status finish(const KeepGoing& keep_going) = 0;
};

// How a source is opened.
struct SourceOptions {
  // Dotted path of the dictionary of a PyTorch checkpoint whose tensors are wanted. Empty: the
  // whole tree if its top level holds tensors, else the only one of state_dict, model_state_dict,
  // model, module, net, ema, params that does. ".": the whole tree.
  std::string root = {};
  // Strided views (transposed, expanded) of a PyTorch file may together take at most this many
  // times the bytes of its members, or 1 GiB if that is more; beyond it, the source is refused
  // (kLimit). So may all other tensors, where slices of another count once: views that only overlap
  // are stored apart.
  std::uint64_t max_expansion = 16;
  // Memory that inflating deflated members may take, in bytes; beyond it, kLimit. Inflating
  // more than 128 times this, beside 16 times what is stored, in all files of a folder together, is
  // refused too (kLimit): it would take long.
  std::uint64_t inflate_budget = std::uint64_t{32} << 20;
  // Memory that metadata may take, in bytes, while the source is opened and while it is packed:
  // names, shapes and what becomes of them; beyond it, kLimit. The default holds about 200,000
  // tensors, in files and indexes of at most 192 MiB, and keeps packing within 256 MiB.
  std::uint64_t metadata_budget = std::uint64_t{192} << 20;
  // Attach the files that travel with the weights of a folder (see open_tensor_source).
  bool attachments = true;
};

// Opens the checkpoint at `path` (symbolic links are followed):
// - a file, PyTorch or safetensors, recognised by content, never by its name;
// - a folder of a Hugging Face model: its model.safetensors or pytorch_model.bin, or all files that
//   its model.safetensors.index.json or pytorch_model.bin.index.json names, or the set
//   model-00001-of-00003.safetensors ... when it is complete. Safetensors go before PyTorch; where
//   programs differ in what they would read, the folder is refused, and its index or file must be
//   named instead;
// - such an index: the files that it names, beside it.
// Of a folder, files that end in .json .jinja .model .txt .tiktoken .spm .bpe .md or .py, or begin
// with tokenizer.model, LICENSE or NOTICE, become attachments, up to 64 MiB each; so does the
// index. Everything else is left out and listed; subfolders and hidden files are not looked into.
// Links in the folder are followed, as those of a Hugging Face cache must be; names that an index
// holds must be plain names in its folder.
//
// Reads metadata only, no payload. At most nine files are open at a time.
// Errors: kIo (missing or unreadable, one file of a set too), kBadInput (invalid, unsupported or
// unknown format, named), kLimit (a cap on metadata was passed). Messages start with `path`, or
// with that of a file in the folder.
[[nodiscard]] WPACK_EXPORT Result<std::unique_ptr<TensorSource>> open_tensor_source(
    const std::string& path, const SourceOptions& options = {});

}  // namespace wpack
