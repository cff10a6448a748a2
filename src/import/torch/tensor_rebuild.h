// From the nodes of a pickle to tensors: which bytes of which storage, in what shape.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "import/torch/pickle_tree.h"
#include "import/torch/zip_archive.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::import {

// A tensor's place in a storage. All bytes that it reaches lie inside the storage.
struct TensorView {
  std::uint32_t member = 0;  // position of the storage in the archive's members
  DType dtype = DType::kU8;
  std::uint64_t byte_offset = 0;  // of the first element in the storage
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> strides;  // elements; empty if the bytes are one unbroken run
  std::uint64_t nbytes = 0;            // logical bytes
};

// Rebuilds tensors without building them: what torch's own rebuild functions would compute, from
// their arguments, with every number checked against the storage's record in the archive.
// Borrows tree and archive. Thread safety: one thread at a time.
class TensorRebuilder {
 public:
  TensorRebuilder(const PickleTree& tree, const ZipArchive& archive, std::uint64_t max_expansion);

  // True if the node stands for a tensor or a bare storage, of a kind that is supported or not.
  [[nodiscard]] bool is_tensor(NodeId id) const;

  // Returns the tensor that the node (is_tensor() is true) stands for.
  // Errors: kBadInput (malformed arguments, out of bounds, an unsupported kind, by name),
  // kIntegrity (the storage's record has another size), kLimit (rank, max_expansion). Messages do
  // not name file or tensor.
  [[nodiscard]] Result<TensorView> rebuild(NodeId id);

 private:
  struct Storage {
    std::uint32_t member = 0;
    std::uint64_t size = 0;  // bytes
    DType dtype = DType::kU8;
  };
  // A call of a rebuild function.
  struct Call {
    GlobalRole role = GlobalRole::kUnknown;
    std::span<const NodeId> args;
  };

  [[nodiscard]] Result<Call> find_innermost_call(NodeId id) const;
  [[nodiscard]] Result<Call> call_of(NodeId id) const;
  [[nodiscard]] Result<Call> call_of_type(std::span<const NodeId> args) const;
  [[nodiscard]] Result<Call> call_of_state(const PickleObject& object) const;
  [[nodiscard]] Result<TensorView> bare_storage(NodeId id);
  [[nodiscard]] Result<TensorView> from_call(const Call& call);
  [[nodiscard]] Result<Storage> resolve_storage(NodeId id);
  [[nodiscard]] Result<std::vector<std::uint64_t>> numbers(NodeId id, std::string_view what) const;
  [[nodiscard]] Result<std::uint64_t> number(NodeId id, std::string_view what) const;
  [[nodiscard]] Status check_metadata(NodeId id) const;
  [[nodiscard]] Status place(const Storage& storage, std::uint64_t offset,
                             std::vector<std::uint64_t> strides, TensorView& view);
  [[nodiscard]] Status check_expansion(const TensorView& view);

  const PickleTree& tree_;
  const ZipArchive& archive_;
  std::uint64_t gathered_limit_;     // bytes that strided views may take together
  std::uint64_t gathered_size_ = 0;  // bytes of all strided views so far
};

}  // namespace wpack::import
