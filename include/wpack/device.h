// The seam between loading and where tensors finally live: memory of a device, and asynchronous
// copies from host memory into it.
//
//   auto device = wpack::make_host_device();
//   auto memory = device->allocate(bytes.size());
//   auto ticket = device->copy(bytes, memory->range());       // accepted: `bytes` is borrowed
//   if (auto ended = device->wait(*ticket); !ended) return fail(ended.error().message());
//
// Every accepted copy ends exactly once, with all its bytes or with an error. Copies may end late
// and in any order; nothing may be concluded about one from the end of another.
//
// What the functions are in CUDA's driver interface, for an implementation over it (the device's
// context is made current on the calling thread first; a refusal is a kLimit, kIo or
// kUnsupportedHost with the driver's name of it; its sticky errors come out of every later call):
//   do_allocate, do_release   cuMemAlloc, cuMemFree (which waits for copies by itself)
//   do_pin, do_unpin          cuMemHostRegister, cuMemHostUnregister
//   copy                      cuMemcpyHtoDAsync on one of the device's streams, then cuEventRecord
//                             of an event that the ticket stands for; where recording fails,
//                             cuStreamSynchronize before the error: what is refused is not read
//   wait_until                cuEventQuery until it is not CUDA_ERROR_NOT_READY, with short sleeps;
//                             cuEventSynchronize where there is no limit
//   synchronise               cuStreamSynchronize of each stream
//   copy_back                 cuMemcpyDtoH
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/types.h"

namespace wpack {

class Device;

// Bytes [address, address + size) of one device's memory. Addresses are the device's own: the host
// must not touch what they name, unless the device is the host.
struct DeviceRange {
  std::uint64_t address = 0;
  std::uint64_t size = 0;  // bytes

  // The bytes [offset, offset + count) of this range, which has them (asserted).
  [[nodiscard]] WPACK_EXPORT DeviceRange sub_range(std::uint64_t offset, std::uint64_t count) const;
  friend bool operator==(const DeviceRange&, const DeviceRange&) = default;
};

// Memory of a device, given back when it is destroyed, after the copies into it that are under way.
// Move-only; keeps its device alive. Contents are unspecified until something was copied there.
class WPACK_EXPORT DeviceBuffer {
 public:
  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : device_(std::move(other.device_)), range_(std::exchange(other.range_, {})) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer();

  // Aligned to 256 bytes, of exactly the size that was asked for.
  [[nodiscard]] DeviceRange range() const noexcept { return range_; }

 private:
  friend class Device;
  DeviceBuffer(std::shared_ptr<Device> device, DeviceRange range)
      : device_(std::move(device)), range_(range) {}
  std::shared_ptr<Device> device_;
  DeviceRange range_;
};

// Host memory that is pinned for a device, until this is destroyed: before the memory goes.
// Move-only; keeps its device alive.
class WPACK_EXPORT PinnedMemory {
 public:
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory&& other) noexcept
      : device_(std::move(other.device_)), bytes_(std::exchange(other.bytes_, {})) {}
  PinnedMemory& operator=(PinnedMemory&& other) noexcept;
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  ~PinnedMemory();

 private:
  friend class Device;
  PinnedMemory(std::shared_ptr<Device> device, MutableBytes bytes)
      : device_(std::move(device)), bytes_(bytes) {}
  std::shared_ptr<Device> device_;
  MutableBytes bytes_;
};

// Names one accepted copy of one device; never used twice.
enum class CopyTicket : std::uint64_t {};

// What a device has done; sizes are bytes.
struct DeviceStats {
  std::uint64_t in_use = 0;  // device memory that is handed out
  std::uint64_t peak = 0;    // the most of it, so far
  std::uint64_t pinned = 0;  // host memory
  std::uint64_t pins_refused = 0;
  std::uint64_t copies = 0;        // that ended well
  std::uint64_t copied_bytes = 0;  // by them
  std::uint64_t copies_failed = 0;
};

// Thread safety: all functions, from several threads at once; each ticket is waited for by one
// thread at a time.
class WPACK_EXPORT Device : public std::enable_shared_from_this<Device> {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  // Waits for the copies under way; tickets that nobody waited for are dropped.
  virtual ~Device() = default;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;

  // Returns memory of `size` bytes (0 gives an empty buffer). Errors: kLimit (no memory, or the
  // device's budget is spent), with the sizes in the message.
  [[nodiscard]] Result<DeviceBuffer> allocate(std::uint64_t size);

  // Pins host memory, so that copies from it need no copy in between. `bytes` begins and ends at
  // multiples of 4,096 bytes and overlaps nothing that is pinned. A refusal is counted and harms
  // nothing: copies work from unpinned memory as well. Errors: kInvalidArgument (alignment),
  // kLimit (the system or the device refuses).
  [[nodiscard]] Result<PinnedMemory> pin(MutableBytes bytes);

  // Starts to copy `from` into `to`, of the same size. Until the copy has ended, `from` stays valid
  // and unchanged: when it is read is the device's choice. An error means that nothing was started.
  // Errors: kInvalidArgument (the sizes differ, or `to` is not of this device's memory), kLimit,
  // kIo (the device refuses).
  [[nodiscard]] virtual Result<CopyTicket> copy(Bytes from, DeviceRange to) = 0;

  // Returns how a copy ended, or nullopt if it has not by `limit`. The end is told once, and frees
  // the ticket; a ticket that is free, or was never given out, is a kInvalidArgument. Errors of a
  // copy: kIo (operation, size, device), kCancelled never.
  [[nodiscard]] virtual std::optional<Status> wait_until(CopyTicket ticket, TimePoint limit) = 0;
  // The same without waiting, and without a limit.
  [[nodiscard]] std::optional<Status> poll(CopyTicket ticket);
  [[nodiscard]] Status wait(CopyTicket ticket);

  // Waits until every copy that was accepted before has ended. How each ended is told by its
  // ticket. Errors: kIo (the device itself has failed).
  [[nodiscard]] virtual Status synchronise() = 0;

  // Copies device memory into `out`, of the same size, before it returns. Sees the copies whose end
  // was told. Errors: as copy().
  [[nodiscard]] virtual Status copy_back(DeviceRange from, MutableBytes out) = 0;

  [[nodiscard]] virtual DeviceStats stats() const = 0;

 protected:
  friend class DeviceBuffer;
  friend class PinnedMemory;
  // Returns memory of `size` > 0 bytes.
  [[nodiscard]] virtual Result<DeviceRange> do_allocate(std::uint64_t size) = 0;
  // Takes back exactly what do_allocate() returned, after the copies into it.
  virtual void do_release(DeviceRange range) noexcept = 0;
  // Pins whole pages; counts a refusal.
  [[nodiscard]] virtual Status do_pin(MutableBytes bytes) = 0;
  virtual void do_unpin(MutableBytes bytes) noexcept = 0;
};

struct HostDeviceOptions {
  // The most memory that is handed out, in bytes of whole pages.
  std::uint64_t budget = ~std::uint64_t{0};
};

// The host as a device: its memory is host memory at the same addresses, a copy is made by the
// thread that starts it, and pinning locks pages as far as RLIMIT_MEMLOCK allows.
[[nodiscard]] WPACK_EXPORT std::shared_ptr<Device> make_host_device(
    const HostDeviceOptions& options = {});

}  // namespace wpack
