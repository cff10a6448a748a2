// Loading into memory that the caller chose: host memory, or memory of a device.
//
//   auto device = wpack::make_host_device();
//   auto ring = wpack::make_staging_ring(device);             // once, for all layers
//   auto layer = wpack::load_layer(container, 0, **ring);     // its bytes are on the device
//   for (const wpack::DeviceTensor& tensor : layer->tensors()) use(tensor.info, tensor.range);
//
// Bytes are read afresh, past the page cache where it does not hold them and the host can, whether
// the container is mapped or not: by the rules of wpack/explain.h for bytes that go on. They are
// checked before they are handed over, unless the container was opened with VerifyPolicy::kIndex.
// Padding is never copied. Thread safety: all functions, from several threads at once; a ring
// serves one call at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "wpack/container.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"
#include "wpack/staging_ring.h"
#include "wpack/types.h"

namespace wpack {

struct TransferOptions {
  // When it passes, the call fails (kDeadline) within the time of a few reads and of the copies
  // under way. Unset: no limit.
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  // Borrowed; set from any thread, it makes the call fail (kCancelled) in the same time.
  const std::atomic<bool>* stop = nullptr;
  // Bytes that have been read, checked and handed over. Returning false cancels.
  ProgressCallback progress = {};
};

// Fills `out`, which is exactly as large as tensor `id`, with the tensor's bytes. What is read is
// written there at once where the chunks and the engine's alignment allow it; the rest goes through
// memory of OpenOptions::memory_budget, one chunk and the blocks that it lies in at a time. Where
// `out` is aligned to 4,096 bytes, bytes that the page cache does not hold are read past it. After
// an error `out` holds anything. Errors: kNotFound, kInvalidArgument (the size), and those of
// Layer::acquire, kCancelled.
[[nodiscard]] WPACK_EXPORT Status read_tensor(const Container& container, std::uint32_t id,
                                              MutableBytes out,
                                              const TransferOptions& options = {});

// A tensor and where its bytes shall go: exactly as many.
struct TensorDestination {
  std::uint32_t tensor = 0;
  DeviceRange to;
};

// Copies tensors to the ring's device: reads run ahead as far as there are slots, and copies run
// meanwhile. When it returns, with or without an error, no copy is under way; after an error the
// destinations hold anything. A slot must hold the largest chunk (2^chunk_log2 bytes of the
// container, 1 MiB unless it was packed otherwise), rounded up to what the engine reads.
// Errors: kNotFound, kInvalidArgument (a size; a slot that is too small: the message names the size
// that would do; a ring that is in use), those of Layer::acquire and of Device::copy, kCancelled.
[[nodiscard]] WPACK_EXPORT Status copy_to_device(const Container& container,
                                                 std::span<const TensorDestination> tensors,
                                                 StagingRing& ring,
                                                 const TransferOptions& options = {});

// One tensor on a device. Tied tensors of a layer share their bytes.
struct DeviceTensor {
  TensorInfo info;    // valid while a DeviceLayer, or another handle to the container, lives
  DeviceRange range;  // aligned as Tensor::bytes() says; empty if the tensor is
};

// A layer on a device. Move-only: it owns the memory, which goes with it.
class WPACK_EXPORT DeviceLayer {
 public:
  // The tensors, in the order of use.
  [[nodiscard]] std::span<const DeviceTensor> tensors() const& noexcept { return tensors_; }
  [[nodiscard]] std::span<const DeviceTensor> tensors() const&& = delete;

 private:
  friend struct HandleFactory;
  DeviceLayer(DeviceBuffer memory, std::vector<DeviceTensor> tensors,
              std::shared_ptr<const void> keep_alive)
      : memory_(std::move(memory)),
        tensors_(std::move(tensors)),
        keep_alive_(std::move(keep_alive)) {}

  DeviceBuffer memory_;
  std::vector<DeviceTensor> tensors_;
  std::shared_ptr<const void> keep_alive_;
};

// Takes memory for all bytes that layer `id` needs, shared ones included, in one piece from the
// ring's device, and copies them there. Errors: those of copy_to_device, kLimit (no device memory).
[[nodiscard]] WPACK_EXPORT Result<DeviceLayer> load_layer(const Container& container,
                                                          std::uint32_t id, StagingRing& ring,
                                                          const TransferOptions& options = {});

}  // namespace wpack
