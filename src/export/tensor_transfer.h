// Moving tensors out of a container into a sink.
#pragma once

#include <cstdint>
#include <string>

#include "export/tensor_sink.h"
#include "os/file.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/progress.h"

namespace wpack::exporting {

// Thread safety: one thread at a time.
class TensorTransfer {
 public:
  // `container` checks every byte before it is handed out; all three outlive the object. `label` is
  // what errors call the target.
  TensorTransfer(const Container& container, const ProgressCallback& callback,
                 const std::string& label)
      : container_(container), callback_(callback), label_(label) {}

  // Counts the bytes that the sink wants of `tensors` into the total of progress. The sink has them
  // in this order; they are ids of the container, ascending.
  void expect(const TensorSink& sink, std::span<const std::uint32_t> tensors);
  // Moves them, in the order of use, which is the order in which the container stores them. `file`
  // is the sink's. Errors: those of container and sink, kCancelled.
  [[nodiscard]] Status move(const os::File& file, TensorSink& sink,
                            std::span<const std::uint32_t> tensors);

  [[nodiscard]] std::uint64_t moved_bytes() const noexcept { return progress_.done_bytes; }
  // Tells the callback how far it has come. Errors: kCancelled.
  [[nodiscard]] Status report() const;

 private:
  [[nodiscard]] Status move_tensor(TensorSink& sink, std::size_t index, std::uint32_t id);

  const Container& container_;
  const ProgressCallback& callback_;
  const std::string& label_;
  Progress progress_;
};

// The same container under a policy that checks every byte before it is handed out.
// Errors: those of Container::open, kIo (another container has its path by now), kLimit (its
// tensors are so many that unpacking them takes more than three times `max_index_bytes` of memory).
[[nodiscard]] Result<Container> reopen_verifying(const Container& container,
                                                 std::uint64_t max_index_bytes);

// The descriptions of all tensors, in the order of use.
[[nodiscard]] std::vector<TensorInfo> list_tensors(const Container& container);

}  // namespace wpack::exporting
