#include "export/tensor_transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "wpack/text.h"

namespace wpack::exporting {
namespace {

constexpr std::size_t kSliceSize = std::size_t{4} << 20;  // between two reports of progress

}  // namespace

void TensorTransfer::expect(const TensorSink& sink, std::span<const std::uint32_t> tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (sink.wants(i)) progress_.total_bytes += container_.tensor_info(tensors[i]).nbytes;
}

Status TensorTransfer::move(const os::File& file, TensorSink& sink,
                            std::span<const std::uint32_t> tensors) {
  WPACK_TRY(report());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (sink.wants(i)) WPACK_TRY(move_tensor(sink, i, tensors[i]));
    const std::uint32_t layer = container_.tensor_info(tensors[i]).layer;
    const bool last_of_layer =
        i + 1 == tensors.size() || container_.tensor_info(tensors[i + 1]).layer != layer;
    if (!last_of_layer) continue;
    container_.layer(layer).release();
    file.start_writeback(0, sink.file_size());
  }
  return {};
}

Status TensorTransfer::move_tensor(TensorSink& sink, std::size_t index, std::uint32_t id) {
  WPACK_ASSIGN(const Tensor tensor, container_.tensor(id));
  const Bytes bytes = tensor.bytes();
  for (std::size_t offset = 0; offset < bytes.size(); offset += kSliceSize) {
    const Bytes slice = bytes.subspan(offset, std::min(kSliceSize, bytes.size() - offset));
    WPACK_TRY(sink.write(index, offset, slice));
    progress_.done_bytes += slice.size();
    WPACK_TRY(report());
  }
  return {};
}

Status TensorTransfer::report() const {
  if (!callback_ || callback_(progress_)) return {};
  return Error(ErrorCode::kCancelled, fmt::format("{}: cancelled", label_));
}

namespace {

// What a tensor takes beside its index: in lists, in the plan of the target, and in the text or
// pickle that the target has of it. Measured with 520,000 tensors: 490 bytes in one file, 660 in a
// folder's.
Status check_memory(const Container& container, std::uint64_t max_index_bytes) {
  constexpr std::uint64_t kRows = 560;
  constexpr std::uint64_t kCopiesOfName = 4;
  std::uint64_t size = 0;  // no overflow: an index has 2 GiB
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
    size += kRows + kCopiesOfName * container.tensor_info(id).name.size();
  if (size / 3 <= max_index_bytes) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{}: unpacking {} tensors takes about {} bytes of memory, more than "
                           "three times the {} bytes that an index may have",
                           escape_name(container.info().path), container.tensor_count(), size,
                           max_index_bytes));
}

}  // namespace

Result<Container> reopen_verifying(const Container& container, std::uint64_t max_index_bytes) {
  const ContainerInfo info = container.info();
  WPACK_ASSIGN(Container verifying,
               Container::open(info.path, {.verify = VerifyPolicy::kTouch,
                                           .max_index_bytes = max_index_bytes}));
  if (verifying.info().uuid != info.uuid) {
    return Error(ErrorCode::kIo,
                 fmt::format("{}: was replaced since it was opened", escape_name(info.path)));
  }
  WPACK_TRY(check_memory(verifying, max_index_bytes));
  return verifying;
}

std::vector<TensorInfo> list_tensors(const Container& container) {
  std::vector<TensorInfo> tensors;
  tensors.reserve(container.tensor_count());
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id)
    tensors.push_back(container.tensor_info(id));
  return tensors;
}

}  // namespace wpack::exporting
