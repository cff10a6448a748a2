#include "load_run.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "output.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// How to cut a tensor: along `dim`, `step` elements at a time.
struct Cut {
  std::uint32_t dim = 0;
  std::uint64_t step = 0;
  // Each byte has the same place in its 64-bit word as in the whole tensor: words may be added up.
  bool keeps_words = false;
};

// Cuts a tensor into slices of at most a quarter of the budget: what reads them takes memory too.
// Slices are whole multiples of eight elements, so that they are whole bytes. Empty if there is no
// such cut.
std::optional<Cut> cut_for_budget(const TensorInfo& info, std::uint64_t budget) {
  constexpr std::uint64_t kMultiple = 8;
  std::uint64_t rows = 1;  // of the dimensions before `dim`: a slice has a run of bytes in each
  for (std::uint32_t dim = 0; dim < info.shape.size(); ++dim) {
    const std::uint64_t length = info.shape[dim];
    if (length > 1) {
      const std::uint64_t one = std::max<std::uint64_t>(info.nbytes / length, 1);
      const std::uint64_t step = std::min(budget / 4 / one / kMultiple * kMultiple, length);
      if (step > 0) {
        const std::uint64_t row = info.nbytes / rows;
        const std::uint64_t inner = row / length;
        const bool whole_bytes = inner * length * rows == info.nbytes;
        const bool whole_words = step == length || inner * step % sizeof(std::uint64_t) == 0;
        const bool same_places = rows == 1 || row % sizeof(std::uint64_t) == 0;
        return Cut{dim, step, whole_bytes && whole_words && same_places};
      }
    }
    rows *= length;
  }
  return std::nullopt;
}

bool is_late(const AcquireOptions& acquire) {
  return acquire.deadline && std::chrono::steady_clock::now() >= *acquire.deadline;
}

// Loads layers one after the other. Without a memory budget it keeps them, as a serving process
// does; with one it lets each go before the next, takes the tensors of a layer that is too large
// for the budget one at a time, and those that are too large themselves slice by slice.
class LayerLoader {
 public:
  LayerLoader(const Container& container, const LoadOptions& options, const AcquireOptions& acquire,
              const Stopwatch& stopwatch, LoadReport& report)
      : container_(container),
        acquire_(acquire),
        keeps_(!options.open.memory_budget),
        budget_(options.open.memory_budget.value_or(0)),
        touch_(options.touch),
        stopwatch_(stopwatch),
        report_(report) {}

  [[nodiscard]] Status load(const Layer& layer) {
    auto view = layer.acquire(acquire_);
    if (view) {
      for (const Tensor& tensor : view->tensors())
        touch(tensor.info(), tensor.bytes(), tensor.mapped());
    } else if (!keeps_ && view.error().code() == ErrorCode::kLimit) {
      WPACK_TRY(load_tensors(layer.info()));
    } else {
      return std::move(view).error();
    }
    WPACK_TRY(end_layer());
    if (keeps_) views_.push_back(*std::move(view));
    if (!keeps_) layer.release();
    return {};
  }

  // The same for what a rank holds of the layer.
  [[nodiscard]] Status load(const std::vector<SliceRequest>& requests) {
    WPACK_ASSIGN(const ReadCost cost, container_.plan_slices(requests));
    WPACK_ASSIGN(std::vector<TensorSlice> slices, container_.slices(requests, acquire_));
    for (const TensorSlice& slice : slices) {
      touch(slice.bytes(), slice.mapped());
      report_.bytes += slice.bytes().size();
    }
    WPACK_TRY(end_layer());
    report_.slices += cost;
    if (keeps_) slices_.push_back(std::move(slices));
    return {};
  }

  // The same on a device.
  [[nodiscard]] Status load(const Layer& layer, const DeviceLoader& device) {
    WPACK_ASSIGN(DeviceLayer loaded, device.load(container_, layer, acquire_));
    for (const DeviceTensor& tensor : loaded.tensors())
      touch(tensor.info, DeviceLoader::host_bytes(tensor.range), false);
    WPACK_TRY(end_layer());
    if (keeps_) on_device_.push_back(std::move(loaded));
    return {};
  }

 private:
  [[nodiscard]] Status load_tensors(const LayerInfo& layer) {
    for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id) {
      auto tensor = container_.tensor(id, acquire_);
      if (tensor) {
        touch(tensor->info(), tensor->bytes(), tensor->mapped());
      } else if (tensor.error().code() == ErrorCode::kLimit) {
        WPACK_TRY(load_slices(container_.tensor_info(id), tensor.error()));
      } else {
        return std::move(tensor).error();
      }
    }
    return {};
  }

  // `too_large`: why the whole tensor cannot be had, which is the error if it cannot be cut either.
  [[nodiscard]] Status load_slices(const TensorInfo& info, const Error& too_large) {
    const auto cut = cut_for_budget(info, budget_);
    if (!cut) return too_large;
    const std::uint64_t length = info.shape[cut->dim];
    const bool adds = touch_ == Touch::kBytes && is_first_of_tied(info);
    if (adds && !cut->keeps_words) sum_is_known_ = false;
    for (std::uint64_t begin = 0; begin < length; begin += cut->step) {
      WPACK_ASSIGN(const TensorSlice slice,
                   container_.slice(info.id, cut->dim, begin, std::min(begin + cut->step, length),
                                    acquire_));
      if (touch_ == Touch::kPages) touch_pages(slice.bytes());
      if (adds) add_up(slice.bytes());
    }
    count(info.nbytes > 0, false);
    count_bytes(info);
    return {};
  }

  void touch(const TensorInfo& info, Bytes bytes, bool mapped) {
    touch(bytes, mapped);
    if (touch_ == Touch::kBytes && is_first_of_tied(info)) add_up(bytes);
    count_bytes(info);
  }
  void touch(Bytes bytes, bool mapped) {
    if (touch_ == Touch::kPages) touch_pages(bytes);
    count(!bytes.empty(), mapped);
  }
  void count(bool has_bytes, bool mapped) {
    if (!report_.first_tensor_seconds) report_.first_tensor_seconds = stopwatch_.seconds();
    ++report_.tensor_count;
    if (has_bytes) ++(mapped ? report_.mapped_tensor_count : report_.read_tensor_count);
  }
  void count_bytes(const TensorInfo& info) {
    if (info.nbytes > 0 && seen_.emplace(info.shard, info.offset).second)
      report_.bytes += info.nbytes;
  }
  // Slices that are mapped come in when they are touched.
  [[nodiscard]] Status end_layer() {
    if (!report_.first_layer_seconds) report_.first_layer_seconds = stopwatch_.seconds();
    ++report_.layer_count;
    if (!is_late(acquire_)) return {};
    return Error(ErrorCode::kDeadline, escape_name(container_.info().path) +
                                           ": the deadline passed before all bytes were read");
  }

  // Where slices do not keep words together, there is no sum to compare with others'.
  void add_up(Bytes bytes) {
    sum_ += sum_words(bytes);
    report_.word_sum = sum_is_known_ ? std::optional(sum_) : std::nullopt;
  }
  [[nodiscard]] bool is_first_of_tied(const TensorInfo& info) {
    return added_.insert(info.alias_of == TensorInfo::kNone ? info.id : info.alias_of).second;
  }

  const Container& container_;
  const AcquireOptions& acquire_;
  const bool keeps_;
  const std::uint64_t budget_;
  const Touch touch_;
  const Stopwatch& stopwatch_;
  LoadReport& report_;
  std::vector<LayerView> views_;
  std::vector<std::vector<TensorSlice>> slices_;
  std::vector<DeviceLayer> on_device_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> seen_;  // where tensors lie
  std::uint64_t sum_ = 0;
  bool sum_is_known_ = true;
  std::set<std::uint32_t> added_;  // tensors that are in the sum, of tied ones the first
};

AcquireOptions acquire_options(const LoadOptions& options) {
  AcquireOptions acquire;
  if (options.deadline_seconds) {
    acquire.deadline = std::chrono::steady_clock::now() +
                       std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                           std::chrono::duration<double>(*options.deadline_seconds));
  }
  return acquire;
}

// A check of everything may take longer than there is time.
Result<Container> open_in_time(const LoadOptions& options, const AcquireOptions& acquire) {
  OpenOptions open = options.open;
  open.progress = [acquire](const Progress&) { return !is_late(acquire); };
  auto container = Container::open(options.container, open);
  if (container || container.error().code() != ErrorCode::kCancelled || !is_late(acquire))
    return container;
  return Error(ErrorCode::kDeadline,
               escape_name(options.container) + ": the deadline passed before it was checked");
}

Result<std::vector<Layer>> wanted_layers(const Container& container, const LoadOptions& options) {
  std::vector<Layer> layers;
  std::set<std::uint32_t> named;
  const bool all = options.layers.empty();
  for (const std::string& name : all ? options.open.use_order.layers : options.layers) {
    WPACK_ASSIGN(Layer layer, container.layer(name));
    named.insert(layer.info().id);
    layers.push_back(std::move(layer));
  }
  for (std::uint32_t id = 0; all && id < container.layer_count(); ++id) {
    if (!named.contains(id)) layers.push_back(container.layer(id));
  }
  if (!options.first_layer) return layers;
  WPACK_ASSIGN(const Layer first, container.layer(*options.first_layer));
  std::erase_if(layers, [&](const Layer& layer) { return layer.info().id == first.info().id; });
  layers.insert(layers.begin(), first);
  return layers;
}

Status load_layers(const Container& container, const LoadOptions& options,
                   const AcquireOptions& acquire, const Stopwatch& stopwatch, LoadReport& report) {
  WPACK_ASSIGN(const std::vector<Layer> layers, wanted_layers(container, options));
  LayerLoader loader(container, options, acquire, stopwatch, report);
  if (options.rank.given()) {
    WPACK_ASSIGN(const RankSlices rank, RankSlices::open(container, options.rank));
    for (const Layer& layer : layers) {
      WPACK_ASSIGN(const std::vector<SliceRequest> requests, rank.of_layer(layer));
      WPACK_TRY(loader.load(requests));
    }
  } else if (options.device.to_host_device) {
    WPACK_ASSIGN(const DeviceLoader device,
                 DeviceLoader::make(container, options.device, options.open.memory_budget));
    for (const Layer& layer : layers) WPACK_TRY(loader.load(layer, device));
    report.device = device.report();
  } else {
    for (const Layer& layer : layers) WPACK_TRY(loader.load(layer));
  }
  report.total_seconds = stopwatch.seconds();
  report.after = process_usage();
  // While everything that was loaded is still held.
  report.stats = container.stats();
  return {};
}

}  // namespace

Status run_load(const LoadOptions& options, LoadReport& report) {
  report.before = process_usage();
  const Stopwatch stopwatch;
  const AcquireOptions acquire = acquire_options(options);
  WPACK_ASSIGN(const Container container, open_in_time(options, acquire));
  report.open_seconds = stopwatch.seconds();
  Status loaded = load_layers(container, options, acquire, stopwatch, report);
  if (!loaded) report.stats = container.stats();
  report.info = container.info();
  report.use_order = container.use_order();
  return loaded;
}

}  // namespace wpack::cli
