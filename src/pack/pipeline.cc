#include "pack/pipeline.h"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "os/thread.h"
#include "pack/bounded_queue.h"
#include "pack/extent_hasher.h"
#include "pack/work_list.h"

namespace wpack::packing {
namespace {

constexpr std::size_t kBufferCount = 6;
constexpr std::uint64_t kBufferSize = std::uint64_t{4} << 20;
constexpr std::chrono::milliseconds kProgressInterval{50};

// A run of bytes of one work item inside a batch's buffer.
struct Piece {
  std::uint64_t item = 0;
  std::uint64_t buffer_begin = 0;
  std::uint64_t size = 0;
  bool first = false;
  bool last = false;
  ExtentHashes hashes;  // of the whole item, when this is its last piece
};

struct Batch {
  std::vector<std::byte> buffer;  // of Pipeline::buffer_size_ bytes from its first use
  std::uint64_t fill = 0;
  std::vector<Piece> pieces;

  [[nodiscard]] Bytes bytes_of(const Piece& piece) const {
    return Bytes(buffer).subspan(piece.buffer_begin, piece.size);
  }
};

class Pipeline {
 public:
  Pipeline(TensorSource& source, const PackPlan& plan, const PackOptions& options,
           const os::UniqueFd& directory, const std::string& label)
      : source_(source),
        plan_(plan),
        options_(options),
        work_(make_work_list(source.description(), plan)),
        writer_(directory, label, options.chunk_log2),
        buffer_size_(std::min(kBufferSize, size_of(work_))) {
    result_.extent_of.assign(plan.tensors.size(), format::kNone);
    result_.hash_of.assign(plan.tensors.size(), format::hash64({}));
    result_.attachments.assign(source.description().attachments.size(), format::kNone);
    for (Batch& batch : batches_) free_.push(&batch);
  }

  Result<PipelineResult> run() {
    // What fits into one buffer is done sooner than threads are started.
    if (size_of(work_) <= kBufferSize) return run_alone();
    WPACK_ASSIGN(std::thread hasher, os::start_thread([this] { hash_all(); }));
    Result<std::thread> writer = os::start_thread([this] { write_all(); });
    const bool writing = writer.has_value();
    if (writing) {
      read_all();
    } else {
      fail(writer.error());
    }
    filled_.close();
    wait_for_writer(writing);
    hasher.join();
    if (writing) writer->join();
    if (error_) return std::move(*error_);
    return std::move(result_);
  }

 private:
  static std::uint64_t size_of(const WorkList& work) {
    std::uint64_t size = 0;
    for (const WorkItem& item : work.items) size += item.size;
    return size;
  }

  // One stage after the other, on the calling thread.
  Result<PipelineResult> run_alone() {
    read_all();
    filled_.close();
    hash_all();
    write_all();
    if (error_) return std::move(*error_);
    return std::move(result_);
  }

  // The first failure of any stage wins; closing the queues ends the other stages.
  void fail(Error error) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
    free_.close();
    filled_.close();
    hashed_.close();
  }

  bool failed() {
    const std::lock_guard lock(error_mutex_);
    return error_.has_value();
  }

  bool report_progress() {
    if (!options_.progress) return true;
    if (options_.progress({done_bytes_, plan_.payload_bytes})) return true;
    fail(Error(ErrorCode::kCancelled, "cancelled"));
    return false;
  }

  // Stage 1, on the calling thread: fills buffers, many small tensors or part of a large one each.
  void read_all() {
    Batch* batch = nullptr;
    for (std::uint64_t i = 0; i < work_.items.size(); ++i) {
      const WorkItem& item = work_.items[i];
      for (std::uint64_t offset = 0; offset < item.size;) {
        if (batch == nullptr) batch = take_free_batch();
        if (batch == nullptr) return;
        const std::uint64_t size = std::min(item.size - offset, buffer_size_ - batch->fill);
        if (Status status = read_piece(i, offset, size, *batch); !status)
          return fail(std::move(status).error());
        offset += size;
        done_bytes_ += item.is_attachment ? 0 : size;
        if (batch->fill < buffer_size_) continue;
        if (!filled_.push(batch) || !report_progress()) return;
        batch = nullptr;
      }
    }
    if (batch != nullptr) filled_.push(batch);
    report_progress();
  }

  Batch* take_free_batch() {
    for (;;) {
      if (const auto batch = free_.pop_for(kProgressInterval)) {
        (*batch)->buffer.resize(buffer_size_);
        (*batch)->fill = 0;
        (*batch)->pieces.clear();
        return *batch;
      }
      if (free_.closed() || !report_progress()) return nullptr;
    }
  }

  Status read_piece(std::uint64_t index, std::uint64_t offset, std::uint64_t size, Batch& batch) {
    const WorkItem& item = work_.items[index];
    const MutableBytes out = MutableBytes(batch.buffer).subspan(batch.fill, size);
    if (item.is_attachment) {
      WPACK_TRY(source_.read_attachment(item.id, offset, out));
    } else {
      WPACK_TRY(source_.read(plan_.tensors[item.id].source_index, offset, out));
    }
    Piece piece;
    piece.item = index;
    piece.buffer_begin = batch.fill;
    piece.size = size;
    piece.first = offset == 0;
    piece.last = offset + size == item.size;
    batch.pieces.push_back(std::move(piece));
    batch.fill += size;
    return {};
  }

  // Stage 2.
  void hash_all() {
    ExtentHasher hasher(options_.chunk_log2);
    while (const auto batch = filled_.pop()) {
      for (Piece& piece : (*batch)->pieces) {
        if (piece.first) hasher.start(work_.items[piece.item].views);
        hasher.update((*batch)->bytes_of(piece));
        if (piece.last) piece.hashes = hasher.finish();
      }
      if (!hashed_.push(*batch)) break;
    }
    hashed_.close();
  }

  // Stage 3.
  void write_all() {
    while (const auto batch = hashed_.pop()) {
      for (const Piece& piece : (*batch)->pieces) {
        if (Status status = write_piece(piece, **batch); !status) {
          fail(std::move(status).error());
          return finished_.close();
        }
      }
      if (!free_.push(*batch)) break;
    }
    if (!failed()) {
      if (Status status = finish_writing(); !status) fail(std::move(status).error());
    }
    finished_.close();
  }

  Status write_piece(const Piece& piece, const Batch& batch) {
    const WorkItem& item = work_.items[piece.item];
    if (piece.first) {
      WPACK_TRY(start_layers_up_to(piece.item));
      WPACK_TRY(writer_.start_extent(item.size));
    }
    WPACK_TRY(writer_.append(batch.bytes_of(piece)));
    if (!piece.last) return {};
    WPACK_ASSIGN(const std::uint32_t extent, writer_.finish_extent(piece.hashes));
    if (item.is_attachment) {
      result_.attachments[item.id] = extent;
      return {};
    }
    result_.extent_of[item.id] = extent;
    result_.hash_of[item.id] = piece.hashes.logical;
    for (const auto& [tensor, hash] : piece.hashes.views) {
      result_.extent_of[tensor] = extent;
      result_.hash_of[tensor] = hash;
    }
    return {};
  }

  Status start_layers_up_to(std::uint64_t item) {
    while (next_layer_ < work_.layers.size() && work_.layers[next_layer_].item_begin <= item) {
      const WorkLayer& layer = work_.layers[next_layer_++];
      const bool has_items = layer.item_end > layer.item_begin;
      WPACK_TRY(
          writer_.start_layer(layer.layer, layer.shard, has_items ? layer.shard_estimate : 0));
    }
    return {};
  }

  Status finish_writing() {
    WPACK_TRY(start_layers_up_to(work_.items.size()));
    WPACK_ASSIGN(result_.written, writer_.finish());
    return {};
  }

  // Keeps reporting progress, and listening to cancelling, while the last buffers are written.
  void wait_for_writer(bool writer_runs) {
    while (writer_runs && !finished_.closed()) {
      (void)finished_.pop_for(kProgressInterval);
      if (!finished_.closed() && !report_progress()) return;
    }
  }

  TensorSource& source_;
  const PackPlan& plan_;
  const PackOptions& options_;
  const WorkList work_;
  ShardWriter writer_;
  const std::uint64_t buffer_size_;
  PipelineResult result_;
  std::size_t next_layer_ = 0;
  std::uint64_t done_bytes_ = 0;

  std::array<Batch, kBufferCount> batches_;
  BoundedQueue<Batch*> free_{kBufferCount};
  BoundedQueue<Batch*> filled_{kBufferCount};
  BoundedQueue<Batch*> hashed_{kBufferCount};
  BoundedQueue<Batch*> finished_{1};  // closed when the writer has ended

  std::mutex error_mutex_;
  std::optional<Error> error_;
};

}  // namespace

Result<PipelineResult> run_pipeline(TensorSource& source, const PackPlan& plan,
                                    const PackOptions& options, const os::UniqueFd& directory,
                                    const std::string& label) {
  const auto pipeline = std::make_unique<Pipeline>(source, plan, options, directory, label);
  return pipeline->run();
}

}  // namespace wpack::packing
