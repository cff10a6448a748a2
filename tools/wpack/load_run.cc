#include "load_run.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <span>
#include <utility>

#include "output.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// How to cut a tensor, or a part of it: along `dim`, `step` elements at a time.
struct Cut {
  std::uint32_t dim = 0;
  std::uint64_t step = 0;
  // Each byte has the same place in its 64-bit word as in the whole tensor: words may be added up.
  bool keeps_words = false;
};

// Cuts a tensor, or a part along its own dimension, into slices of at most `most` bytes: whole
// multiples of eight elements, so that they are whole bytes. Nothing if there is no such cut.
std::optional<Cut> cut_into(const TensorInfo& info, const TensorPart& part, std::uint64_t most) {
  constexpr std::uint64_t kMultiple = 8;
  std::uint64_t rows = 1;  // of the dimensions before `dim`: a slice has a run of bytes in each
  for (std::uint32_t dim = 0; dim < info.shape.size(); ++dim) {
    const std::uint64_t length = info.shape[dim];
    if (length > 1 && (part.whole() || part.dim == dim)) {
      const std::uint64_t one = std::max<std::uint64_t>(info.nbytes / length, 1);
      const std::uint64_t step = std::min(most / one / kMultiple * kMultiple, length);
      if (step > 0) {
        const std::uint64_t row = info.nbytes / rows;
        const bool whole_bytes = row / length * length * rows == info.nbytes;
        const bool same_places = rows == 1 || row % sizeof(std::uint64_t) == 0;
        return Cut{dim, step, whole_bytes && same_places};
      }
    }
    rows *= length;
  }
  return std::nullopt;
}

// The cuts to try, one after the other: into a quarter of the budget, as what reads slices takes
// memory too, and into what is small whatever the budget, so that the one that a refusal names is
// enough.
std::vector<Cut> cuts_for_budget(const TensorInfo& info, const TensorPart& part,
                                 std::uint64_t budget) {
  constexpr std::uint64_t kSmallSlice = std::uint64_t{512} << 10;
  std::vector<Cut> cuts;
  for (const std::uint64_t most : {budget / 4, kSmallSlice}) {
    if (const auto cut = cut_into(info, part, most)) cuts.push_back(*cut);
  }
  return cuts;
}

// The slices that a cut makes of a part.
std::vector<SliceRequest> slices_of_cut(const TensorInfo& info, const TensorPart& part,
                                        const Cut& cut) {
  std::vector<SliceRequest> slices;
  const std::vector<ElementRange> all = {{0, info.shape[cut.dim]}};
  for (const ElementRange& range : part.whole() ? all : part.ranges) {
    for (std::uint64_t begin = range.begin; begin < range.end; begin += cut.step) {
      const std::uint64_t end = std::min(begin + cut.step, range.end);
      slices.push_back({info.id, {.dim = cut.dim, .ranges = {{begin, end}}}});
    }
  }
  return slices;
}

bool is_late(const AcquireOptions& acquire) {
  return acquire.deadline && std::chrono::steady_clock::now() >= *acquire.deadline;
}

// Loads layers one after the other. Without a memory budget it keeps them, as a serving process
// does; with one it lets each go before the next, takes the tensors of a layer that is too large
// for the budget (or what a rank holds of them) one at a time, and those that are too large
// themselves slice by slice.
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
    } else if (is_too_large(view.error())) {
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
    auto slices = load_parts(requests);
    if (slices) {
      for (const TensorSlice& slice : *slices) count(!slice.bytes().empty(), slice.mapped());
      if (keeps_) slices_.push_back(*std::move(slices));
    } else if (is_too_large(slices.error())) {
      for (const SliceRequest& request : requests) WPACK_TRY(load_part(request));
    } else {
      return std::move(slices).error();
    }
    return end_layer();
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
  [[nodiscard]] bool is_too_large(const Error& error) const {
    return !keeps_ && error.code() == ErrorCode::kLimit;
  }

  [[nodiscard]] Result<std::vector<TensorSlice>> load_parts(
      std::span<const SliceRequest> requests) {
    WPACK_ASSIGN(const ReadCost cost, container_.plan_slices(requests));
    WPACK_ASSIGN(std::vector<TensorSlice> slices, container_.slices(requests, acquire_));
    for (const TensorSlice& slice : slices) {
      if (touch_ == Touch::kPages) touch_pages(slice.bytes());
      report_.bytes += slice.bytes().size();
    }
    report_.slices += cost;
    return slices;
  }

  // What a rank holds of one tensor, and if that is too large, slice by slice.
  [[nodiscard]] Status load_part(const SliceRequest& request) {
    const auto whole = load_parts({&request, 1});
    if (whole) {
      count(!whole->front().bytes().empty(), whole->front().mapped());
      return {};
    }
    if (!is_too_large(whole.error())) return whole.error();
    const TensorInfo info = container_.tensor_info(request.tensor);
    WPACK_ASSIGN(const Sliced sliced, load_slices(info, request.part, whole.error()));
    report_.bytes += sliced.bytes;
    report_.slices += sliced.cost;
    count(true, false);
    return {};
  }

  // What was loaded of a tensor slice by slice.
  struct Sliced {
    ReadCost cost;
    std::uint64_t bytes = 0;
    std::uint64_t sum = 0;  // of words, if all bytes are to be read
    bool keeps_words = false;
  };

  // `too_large`: why all of the part cannot be had at once, which is the error if slices take no
  // less.
  [[nodiscard]] Result<Sliced> load_slices(const TensorInfo& info, const TensorPart& part,
                                           const Error& too_large) const {
    Result<Sliced> sliced = too_large;
    for (const Cut& cut : cuts_for_budget(info, part, budget_)) {
      sliced = load_cut(info, part, cut, too_large);
      if (sliced || !is_too_large(sliced.error())) return sliced;
    }
    return sliced;
  }
  [[nodiscard]] Result<Sliced> load_cut(const TensorInfo& info, const TensorPart& part,
                                        const Cut& cut, const Error& too_large) const {
    Sliced sliced{.cost = {}, .keeps_words = cut.keeps_words};
    for (const SliceRequest& request : slices_of_cut(info, part, cut)) {
      WPACK_ASSIGN(const ReadCost cost, container_.plan_slices({&request, 1}));
      if (cost.read_count == 1 && cost.read_bytes >= info.nbytes) return too_large;
      WPACK_ASSIGN(const auto slices, container_.slices({&request, 1}, acquire_));
      const Bytes bytes = slices.front().bytes();
      if (touch_ == Touch::kPages) touch_pages(bytes);
      if (touch_ == Touch::kBytes) sliced.sum += sum_words(bytes);
      sliced.bytes += bytes.size();
      sliced.cost += cost;
    }
    return sliced;
  }

  [[nodiscard]] Status load_tensors(const LayerInfo& layer) {
    for (std::uint32_t id = layer.tensor_begin; id < layer.tensor_end; ++id) {
      auto tensor = container_.tensor(id, acquire_);
      if (tensor) {
        touch(tensor->info(), tensor->bytes(), tensor->mapped());
      } else if (is_too_large(tensor.error())) {
        WPACK_TRY(load_in_slices(container_.tensor_info(id), tensor.error()));
      } else {
        return std::move(tensor).error();
      }
    }
    return {};
  }

  [[nodiscard]] Status load_in_slices(const TensorInfo& info, const Error& too_large) {
    WPACK_ASSIGN(const Sliced sliced, load_slices(info, {}, too_large));
    if (touch_ == Touch::kBytes && is_first_of_tied(info)) {
      if (!sliced.keeps_words) sum_is_known_ = false;
      add_up(sliced.sum);
    }
    count(info.nbytes > 0, false);
    count_bytes(info);
    return {};
  }

  void touch(const TensorInfo& info, Bytes bytes, bool mapped) {
    if (touch_ == Touch::kPages) touch_pages(bytes);
    count(!bytes.empty(), mapped);
    if (touch_ == Touch::kBytes && is_first_of_tied(info)) add_up(sum_words(bytes));
    count_bytes(info);
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
  void add_up(std::uint64_t sum) {
    sum_ += sum;
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
