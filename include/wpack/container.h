// Reading: open a container, look at its tensors and layers, and materialise them on demand.
//
//   auto container = wpack::Container::open("model.wpack");
//   if (!container) return fail(container.error().message());
//   for (wpack::Layer layer : container->layers()) {          // in the order of use
//     auto view = layer.acquire();                            // the next layer is read meanwhile
//     if (!view) return fail(view.error().message());
//     for (const wpack::Tensor& tensor : view->tensors()) use(tensor.info(), tensor.bytes());
//     layer.release();
//   }
//
// Cost: open reads and validates the index, no payload; shards are checked at their first use.
// Lifetime: Container, Layer, LayerView and Tensor are cheap, reference-counted handles. Each keeps
// alive all that it needs, so they may be destroyed in any order, from any thread; the bytes of a
// Tensor stay valid until the last handle to them is gone, whatever is released, closed or
// replaced meanwhile. Destroying the last handle waits for the reads that are in flight, and for
// nothing else: what is queued is dropped. Members that hand out views are deleted for temporaries,
// so that `container.tensor("a").value().bytes()` does not compile: give the handle a name that
// lives as long as the view.
// Thread safety: every member function that is not an assignment or a destructor may be called
// from several threads at once, on one handle or on copies.
// Open files: the container's directory, and shards while they are read; up to a quarter of
// RLIMIT_NOFILE, at most 256, are kept open for the next use. Mapped shards need none.
// fork(): in the child, tensors and views that the parent held stay valid and may be destroyed.
// What loads, reads or looks at shards, here, in wpack/transfer.h and wpack/explain.h, fails with
// kInvalidArgument (release() does nothing, stats() counts nothing): the child opens the container
// again. The parent notices nothing.
// Signals: no handlers are installed, and system calls that a signal interrupts are repeated.
// Changing a published container: never in place. Shards are checked for size and identity at first
// use. If one shrinks later, what copies its bytes (AccessMode::kRead, wpack/transfer.h) fails with
// kIo, which names shard and offset, or returns the old bytes; touching a mapped view of the lost
// pages raises SIGBUS, as with any mapping. A shard that another file replaces is read on as it was
// opened, or refused with kIntegrity when it has to be opened again. Replacing a container by
// `wpack pack --force` is safe: handles keep reading the old bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/access_stats.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/progress.h"
#include "wpack/read_profile.h"
#include "wpack/tensor_slice.h"
#include "wpack/tensor_source.h"
#include "wpack/trace.h"
#include "wpack/types.h"
#include "wpack/use_order.h"

namespace wpack {

// When payload checksums are checked. The index is always checked at open, and the envelope of a
// shard at its first use.
enum class VerifyPolicy {
  kIndex,  // payload is not checked
  kTouch,  // every chunk once, before its bytes are first handed out
  kFull,   // everything at open
};

// How payload reaches memory.
enum class AccessMode {
  kAuto,  // what suits the host, the file and the page cache (wpack/explain.h); mostly mapping
  kMap,   // map, or fail with kUnsupportedHost
  kRead,  // read into private memory
};

struct OpenOptions {
  // Unset: kTouch for bytes that wpack reads into private memory, kIndex for mapped views.
  std::optional<VerifyPolicy> verify = std::nullopt;
  AccessMode access = AccessMode::kAuto;
  // Once a layer is acquired, this many following layers are read ahead. 0 turns it off. With one,
  // the disk idles from a layer's last byte to the next acquire.
  std::uint32_t readahead_layers = 2;
  // What follows what, if not as in the container: a recorded order (Container::use_order). A layer
  // that the container does not have, or that is named twice, is refused (kInvalidArgument).
  UseOrder use_order = {};
  // How this disk is read best, as it was measured (wpack/tune.h). Followed by shards that are read
  // into private memory and are not in the page cache, where it is of their kernel, device and file
  // system; where it is not followed, wpack::explain says why.
  std::optional<ReadProfile> profile = std::nullopt;
  // Indexes larger than this many bytes are refused (kLimit); at most 2^31 - 4097. A tensor takes
  // about 100 bytes and its name.
  std::uint64_t max_index_bytes = std::uint64_t{64} << 20;
  // Private memory that the bytes of tensors may take, in bytes; unset: as much as the system has.
  // With a budget, access kAuto means kRead: nothing is mapped, so that this is all the memory that
  // loading takes beside the index. The budget is never passed. When it is spent, readahead waits,
  // and a demand gives up layers that nobody holds: released ones first (which stay in memory until
  // then), the one released longest ago before the others. What handles hold is never given up; a
  // demand that finds nothing else fails (kLimit), after its deadline if it has one.
  // A layer may take 2/5 of the budget; the tensors of a larger one are acquired one at a time, and
  // larger tensors slice by slice (Container::slice). Every refusal names layer, tensor or slice,
  // and the budget that would do while handles hold what they hold.
  std::optional<std::uint64_t> memory_budget = std::nullopt;
  // How far the check of kFull has come; called by open alone, which fails with kCancelled if
  // asked.
  ProgressCallback progress = {};
  // Is told of everything that takes time, while the container lives. Null: nobody is.
  std::shared_ptr<Tracer> tracer = nullptr;
};

// How long a call may wait, and who may end it.
struct AcquireOptions {
  // When it passes, the call fails (kDeadline) within the time of a few reads, and hands out
  // nothing; what was read ahead stays. Unset: no limit, but memory that handles hold is not waited
  // for.
  std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt;
  // When it asks to stop, the call fails (kCancelled) as it does at a deadline.
  std::stop_token stop = {};
  // How many of the bytes that the call asks for are there; called also while it waits for memory
  // or for another thread's reads. It must not load from the container itself.
  ProgressCallback progress = {};
};

// How the bytes of an extent are stored. Numbers are pinned (format/REGISTRY.md); a container
// written by a newer wpack may hold others, whose tensors are listed but not materialised.
enum class Codec : std::uint8_t {
  kRaw = 0,
};

// One tensor, as the index describes it. Views stay valid while any handle to the container lives.
struct TensorInfo {
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  std::uint32_t id = 0;   // position in the order of use
  std::string_view name;  // UTF-8 without NUL; may hold control characters: escape for a terminal
  DType dtype = DType::kU8;  // possibly one that this version does not know
  Shape shape;
  std::uint64_t nbytes = 0;  // logical bytes
  std::uint32_t layer = 0;   // position of its layer
  // The tensor that this one was tied to in the source (it shares its bytes), or kNone.
  std::uint32_t alias_of = kNone;
  std::uint32_t shard = kNone;  // where its bytes are stored; kNone when it has none
  std::uint64_t offset = 0;  // of its first byte (RAW) or of its extent (coded) in the shard file
  Codec codec = Codec::kRaw;
};

// One layer, as the index describes it. Views stay valid while any handle to the container lives.
struct LayerInfo {
  std::uint32_t id = 0;  // position in the order of use
  std::string_view name;
  std::uint32_t tensor_begin = 0;  // its tensors are [tensor_begin, tensor_end)
  std::uint32_t tensor_end = 0;
  std::uint32_t shard = 0;   // where the range lies
  ByteRange range;           // in the shard file, whole pages; empty if all its bytes are shared
  std::uint64_t nbytes = 0;  // logical bytes of its tensors, shared ones included
  std::uint32_t foreign_extent_count = 0;  // extents of other layers that it shares
};

// One shard, as the index describes it.
struct ShardInfo {
  std::string name;             // file name in the container's directory
  std::uint64_t file_size = 0;  // bytes
};

// One attachment, as the index describes it. The view stays valid while any handle to the container
// lives.
struct AttachmentInfo {
  std::string_view name;   // 1 to 255 bytes of A-Z a-z 0-9 . _ - and not starting with a dot
  std::uint64_t size = 0;  // bytes
};

// Facts about a whole container.
struct ContainerInfo {
  std::string path;  // as given to open
  Uuid uuid;
  std::uint16_t format_major = 0;
  std::uint16_t format_minor = 0;
  std::string_view producer;  // "wpack 0.1.0"
  std::string_view source_format;
  std::uint32_t tensor_count = 0;
  std::uint32_t layer_count = 0;
  std::uint32_t shard_count = 0;
  std::uint32_t extent_count = 0;
  std::uint32_t chunk_count = 0;
  std::uint32_t alias_count = 0;
  std::uint64_t index_bytes = 0;    // of the FlatBuffer
  std::uint64_t payload_bytes = 0;  // logical bytes of all extents
  std::uint64_t file_bytes = 0;     // all files of the container
};

class BufferPool;
class Container;
class Layer;
class LayerView;

// A tensor and its bytes. Copies share the bytes.
class WPACK_EXPORT Tensor {
 public:
  [[nodiscard]] const TensorInfo& info() const& noexcept { return info_; }
  [[nodiscard]] const TensorInfo& info() const&& = delete;
  [[nodiscard]] std::string_view name() const& noexcept { return info_.name; }
  [[nodiscard]] std::string_view name() const&& = delete;
  [[nodiscard]] DType dtype() const noexcept { return info_.dtype; }
  [[nodiscard]] Shape shape() const& noexcept { return info_.shape; }
  [[nodiscard]] Shape shape() const&& = delete;
  // The logical bytes: little-endian, row-major, read-only (writing through a cast is undefined;
  // mapped pages fault). Aligned to 256 bytes at least, or to the element for a view into another
  // tensor. Valid until the last handle to these bytes is destroyed.
  [[nodiscard]] Bytes bytes() const& noexcept { return bytes_; }
  [[nodiscard]] Bytes bytes() const&& = delete;
  // True if the bytes are a view of the page cache, false if they were read into private memory.
  [[nodiscard]] bool mapped() const noexcept { return mapped_; }

 private:
  friend class Container;
  friend class Layer;
  friend struct HandleFactory;
  Tensor(TensorInfo info, Bytes bytes, bool mapped, std::shared_ptr<const void> keep_alive)
      : info_(info), bytes_(bytes), mapped_(mapped), keep_alive_(std::move(keep_alive)) {}

  TensorInfo info_;
  Bytes bytes_;
  bool mapped_ = false;
  std::shared_ptr<const void> keep_alive_;
};

// A part of a tensor and its bytes. Pins them. Copies share them.
class WPACK_EXPORT TensorSlice {
 public:
  // The whole tensor that it is a part of.
  [[nodiscard]] const TensorInfo& info() const& noexcept { return info_; }
  [[nodiscard]] const TensorInfo& info() const&& = delete;
  // Of the slice. Valid until the last copy of this handle is destroyed.
  [[nodiscard]] Shape shape() const& noexcept { return shape_; }
  [[nodiscard]] Shape shape() const&& = delete;
  // The logical bytes of the slice: little-endian, row-major without gaps, read-only. Aligned to
  // the element; to 4,096 bytes where they were gathered from several runs. Valid until the last
  // copy of this handle is destroyed.
  [[nodiscard]] Bytes bytes() const& noexcept { return bytes_; }
  [[nodiscard]] Bytes bytes() const&& = delete;
  // True if the bytes are a view of the page cache, false if they are in private memory.
  [[nodiscard]] bool mapped() const noexcept { return mapped_; }

 private:
  friend struct HandleFactory;
  TensorSlice(TensorInfo info, Shape shape, Bytes bytes, bool mapped,
              std::shared_ptr<const void> keep_alive)
      : info_(info),
        shape_(shape),
        bytes_(bytes),
        mapped_(mapped),
        keep_alive_(std::move(keep_alive)) {}

  TensorInfo info_;
  Shape shape_;
  Bytes bytes_;
  bool mapped_ = false;
  std::shared_ptr<const void> keep_alive_;
};

// The tensors of an acquired layer, in the order of use. Pins their bytes. Copies share them.
class WPACK_EXPORT LayerView {
 public:
  // Valid while a copy of this view lives; a copied Tensor pins its bytes by itself.
  [[nodiscard]] std::span<const Tensor> tensors() const& noexcept { return *tensors_; }
  [[nodiscard]] std::span<const Tensor> tensors() const&& = delete;

 private:
  friend struct HandleFactory;
  explicit LayerView(std::shared_ptr<const std::vector<Tensor>> tensors)
      : tensors_(std::move(tensors)) {}
  std::shared_ptr<const std::vector<Tensor>> tensors_;
};

// What release() lets go of.
enum class ReleasePages {
  kMemory,     // this process's memory; the page cache keeps the bytes
  kPageCache,  // the page cache too, as far as no other process uses the pages
};

// A layer of an open container: the unit of prefetching, acquiring and releasing.
class WPACK_EXPORT Layer {
 public:
  [[nodiscard]] const LayerInfo& info() const& noexcept { return info_; }
  [[nodiscard]] const LayerInfo& info() const&& = delete;
  [[nodiscard]] std::string_view name() const& noexcept { return info_.name; }
  [[nodiscard]] std::string_view name() const&& = delete;

  // Starts asynchronous reading of exactly this layer's bytes (its range, and the extents that it
  // shares with other layers), and returns at once. Errors: kIo, kIntegrity (the shard cannot be
  // opened or is not the one that the index names), kLimit (no thread could be started).
  // Failures of the reading itself are reported by acquire().
  [[nodiscard]] Status prefetch() const;

  // Waits until the layer is in memory and returns its tensors; checks them by the policy of
  // OpenOptions; starts reading the next OpenOptions::readahead_layers layers. May be called any
  // number of times. Errors: kIo (operation, file, offset), kIntegrity (a checksum does not match),
  // kBadInput (a codec or element type that this version does not know), kLimit (no memory, no
  // thread to read with, or a budget that cannot hold it: the message says which would), kDeadline,
  // kCancelled.
  [[nodiscard]] Result<LayerView> acquire(const AcquireOptions& options = {}) const;

  // Says that the layer is not needed for now. Its memory is given back: at once if it is mapped
  // (views stay valid, and read the pages again when they are touched), or with the last handle
  // if it was read into private memory; under a memory budget it stays until the room is needed
  // (with kPageCache it goes at once). A prefetch that has not started is dropped. Never fails.
  void release(ReleasePages pages = ReleasePages::kMemory) const;

 private:
  friend struct HandleFactory;
  Layer(LayerInfo info, std::shared_ptr<class ContainerState> state)
      : info_(info), state_(std::move(state)) {}
  LayerInfo info_;
  std::shared_ptr<class ContainerState> state_;
};

// An open container.
class WPACK_EXPORT Container {
 public:
  // Opens the directory `path`: reads and validates the index, opens up to 16 shards, reads no
  // payload (unless options.verify is kFull). A container that is replaced (PackOptions::replace)
  // stays as it was opened: if it has more shards, its files are kept until the last handle goes.
  // Errors: kIo (missing or unreadable file, a link or special file inside the container),
  // kIntegrity (a size, hash or UUID does not match), kBadInput (invalid structure, newer format),
  // kLimit (index larger than allowed), kInvalidArgument (options).
  [[nodiscard]] static Result<Container> open(const std::string& path,
                                              const OpenOptions& options = {});

  // Its views stay valid while any handle to the container lives, as those of TensorInfo do.
  [[nodiscard]] ContainerInfo info() const&;
  [[nodiscard]] ContainerInfo info() const&& = delete;
  [[nodiscard]] AccessStats stats() const;
  // Returns the pool (wpack/buffer_pool.h) of the memory that OpenOptions::memory_budget limits.
  // What is taken from it counts as the bytes of tensors do, also in stats(); layers that nobody
  // holds are given up for it, and it waits for nothing. Outlives the container.
  [[nodiscard]] std::shared_ptr<BufferPool> memory_pool() const;
  // Returns the layers that were used since it was opened, in the order of their first use: those
  // that were acquired or copied (wpack/transfer.h), or of which a tensor or slice was. Threads
  // that use layers at the same moment come in either order.
  [[nodiscard]] UseOrder use_order() const;
  [[nodiscard]] std::vector<ShardInfo> shards() const;
  // Names, sizes and digests of the files that it was packed from.
  [[nodiscard]] std::vector<SourceFile> sources() const;
  // Non-tensor values of the source, in the source's order.
  [[nodiscard]] std::vector<MetadataEntry> metadata() const;

  [[nodiscard]] std::uint32_t tensor_count() const noexcept;
  // Returns tensor `id` < tensor_count() (asserted).
  [[nodiscard]] TensorInfo tensor_info(std::uint32_t id) const&;
  [[nodiscard]] TensorInfo tensor_info(std::uint32_t id) const&& = delete;
  // Returns the tensor called `name`, or nullopt. O(1), and O(log n) if the container's
  // names were chosen to collide.
  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const&;
  [[nodiscard]] std::optional<TensorInfo> find(std::string_view name) const&& = delete;
  // Returns the tensor with its bytes: a view of the mapped shard where it is stored RAW and may
  // be mapped, otherwise a copy in private memory (shared by all handles to its extent).
  // Errors: kNotFound, and those of Layer::acquire.
  [[nodiscard]] Result<Tensor> tensor(std::string_view name,
                                      const AcquireOptions& options = {}) const;
  [[nodiscard]] Result<Tensor> tensor(std::uint32_t id, const AcquireOptions& options = {}) const;

  // Returns the elements [begin, end) along dimension `dim` (0 is the outermost) of a tensor, and
  // brings in only what they need: a slice that is one unbroken run of a mapped shard (dimension 0,
  // or only dimensions of one element before it) is a view of it; any other is gathered in private
  // memory of its own, which no two handles share unless one is a copy of the other. Under kTouch,
  // whole chunks are read and checked. Errors: kNotFound, kInvalidArgument (no such dimension, a
  // range outside of it, or one that does not begin and end at a byte), those of Layer::acquire.
  [[nodiscard]] Result<TensorSlice> slice(std::string_view name, std::uint32_t dim,
                                          std::uint64_t begin, std::uint64_t end,
                                          const AcquireOptions& options = {}) const;
  [[nodiscard]] Result<TensorSlice> slice(std::uint32_t id, std::uint32_t dim, std::uint64_t begin,
                                          std::uint64_t end,
                                          const AcquireOptions& options = {}) const;
  // The same for several slices, in their order; those that lie close together are read together.
  // Parts may be whole tensors, and several ranges of a dimension, which are put together.
  [[nodiscard]] Result<std::vector<TensorSlice>> slices(std::span<const SliceRequest> requests,
                                                        const AcquireOptions& options = {}) const;
  // Returns what slices() would ask of the shards, without reading payload: exactly what it adds to
  // AccessStats::read_bytes where shards are read (unless a memory budget is so full that reads
  // have to be smaller: blocks that two of them share then count twice); where they are mapped, the
  // pages that are brought in, or will be with the first touch. Errors: those of slices() but for
  // payload.
  [[nodiscard]] Result<ReadCost> plan_slices(std::span<const SliceRequest> requests) const;
  // The same, with the ranges of the shards that make it up. Errors: those of plan_slices().
  [[nodiscard]] Result<ReadPlan> plan_reads(std::span<const SliceRequest> requests) const;
  // Returns what acquire() of the layers (by LayerInfo::id) and tensor() of the tensors (by
  // TensorInfo::id) would ask of the shards if nothing were in memory and all handles were kept:
  // what several of them share is read once. Of mapped tensors, the pages that come with the first
  // touch, or that are brought in to be checked. Errors: kNotFound, and those of acquire() but for
  // payload and memory.
  [[nodiscard]] Result<ReadPlan> plan_whole(std::span<const std::uint32_t> layers,
                                            std::span<const std::uint32_t> tensors) const;

  [[nodiscard]] std::uint32_t layer_count() const noexcept;
  // Returns layer `id` < layer_count() (asserted).
  [[nodiscard]] Layer layer(std::uint32_t id) const;
  // Returns the layer called `name`. Errors: kNotFound.
  [[nodiscard]] Result<Layer> layer(std::string_view name) const;
  // Returns all layers in the order of use.
  [[nodiscard]] std::vector<Layer> layers() const;

  // Returns the attachments (small files that travelled with the source), ascending by name.
  [[nodiscard]] std::vector<AttachmentInfo> attachments() const&;
  [[nodiscard]] std::vector<AttachmentInfo> attachments() const&& = delete;
  // Returns all bytes of an attachment, always verified. Errors: kNotFound, kIo, kIntegrity,
  // kBadInput (a codec that this version does not know), kDeadline, kCancelled.
  [[nodiscard]] Result<std::vector<std::byte>> attachment(std::string_view name,
                                                          const AcquireOptions& options = {}) const;
  // Fills `out` with the bytes [offset, offset + out.size()) of an attachment, always verified:
  // whole chunks are read and checked, so pieces of a few MiB from front to back cost least.
  // Errors: those above, and kInvalidArgument (the range does not lie in the attachment).
  [[nodiscard]] Status read_attachment(std::string_view name, std::uint64_t offset,
                                       MutableBytes out, const AcquireOptions& options = {}) const;

 private:
  friend struct HandleFactory;
  explicit Container(std::shared_ptr<class ContainerState> state) : state_(std::move(state)) {}
  std::shared_ptr<class ContainerState> state_;
};

}  // namespace wpack
