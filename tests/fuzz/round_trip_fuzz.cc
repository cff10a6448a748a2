// unpack(pack(x)) = x: an input describes a source and options. What is packed opens, holds every
// tensor's bytes, verifies, and comes back from a checkpoint in either format; what is refused, or
// stopped by a failing system call, leaves nothing behind. Files lie in memory.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "decoded_source.h"
#include "export/torch_pickle.h"
#include "fuzz_target.h"
#include "load/open_container.h"
#include "memory_files.h"
#include "memory_reader.h"
#include "property.h"
#include "wpack/pack.h"
#include "wpack/text.h"
#include "wpack/unpack.h"
#include "wpack/verify.h"

namespace wpack::fuzz {
namespace {

constexpr const char* kContainer = "/memory/m.wpack";

// How the round goes, besides what is packed.
struct Round {
  PackOptions pack;
  OpenOptions open;
  bool torch = false;  // unpack to a PyTorch zip, else to safetensors
  bool packs_twice = false;
  bool verifies = false;
  std::uint32_t failing_call = 0;
  int failure = 0;
};

std::vector<std::string> decode_patterns(Input& input) {
  constexpr std::array<const char*, 14> kPatterns = {
      "*",           "model.*",        "*.weight",   "*?",        "h.*.bias",
      "**.layers.N", "model.layers.N", "blocks.N.*", "N",         "**",
      "layers.N.**", "a..b",           "",           "embeddings"};
  std::vector<std::string> patterns;
  for (auto count = input.below(16); count > 12; --count) {
    const std::uint8_t choice = input.byte();
    patterns.emplace_back(choice < 200 ? kPatterns[choice % kPatterns.size()]
                                       : std::string(input.text(choice % 8)));
  }
  return patterns;
}

Round decode_round(Input& input) {
  constexpr std::array kFailures = {EIO, ENOSPC, EINTR, EDQUOT, EOPNOTSUPP, ENOMEM, EINVAL};
  Round round;
  const std::uint8_t flags = input.byte();
  round.torch = (flags & 1) != 0;
  round.packs_twice = flags % 16 == 2;
  round.open.readahead_layers = 0;
  round.open.access = (flags & 4) != 0 ? AccessMode::kRead : AccessMode::kAuto;
  constexpr std::array kPolicies = {VerifyPolicy::kIndex, VerifyPolicy::kTouch,
                                    VerifyPolicy::kFull};
  if ((flags & 24) != 0) round.open.verify = kPolicies[(flags >> 3U) % 4 - 1];
  const std::uint8_t chunk = input.byte();
  round.pack.chunk_log2 = static_cast<std::uint8_t>(16 + chunk % 11);
  round.verifies = chunk >= 192;
  round.pack.shard_size = (std::uint64_t{64} << 10) + (std::uint64_t{input.byte()} << (flags / 32));
  if (flags >= 250) round.pack.shard_size -= 1;
  round.pack.include = decode_patterns(input);
  round.pack.exclude = decode_patterns(input);
  round.pack.layer_patterns = decode_patterns(input);
  if (input.one_in(8)) {
    round.failing_call = input.byte();
    round.failure = kFailures[input.below(kFailures.size())];
  }
  return round;
}

Result<Container> open_container(const Round& round) {
  load::Engines engines;
  engines.make_reader = [](const ReadChoice&) {
    return std::unique_ptr<AsyncReader>(new MemoryReader);
  };
  engines.memory = std::make_shared<load::MemoryBudget>(make_host_pool(std::uint64_t{64} << 20),
                                                        load::MemoryBudget::kUnlimited);
  return load::open_container(kContainer, round.open, std::move(engines));
}

bool same(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// A failing call may also be one that does not matter.
void require_accounted_for(const Error& error, const char* what) {
  require(memory_call_failed(), what, error.message());
  require_one_line(error.message(), "a message");
}

void require_only(const std::vector<std::string>& names, const char* what) {
  const std::vector<std::string> found = list_memory_directory("/memory");
  require(found == names, what, found.empty() ? "(nothing is there)" : found.front());
}

using Files = std::map<std::string, std::vector<std::byte>>;
Files container_files() {
  Files files;
  for (const std::string& name : list_memory_directory(kContainer))
    files[name] = read_memory_file(std::string(kContainer) + "/" + name);
  return files;
}

// The tensors that are packed, by name.
std::map<std::string_view, std::size_t> packed_tensors(const SourceDescription& source,
                                                       const PackPlan& plan) {
  std::map<std::string_view, std::size_t> packed;
  for (const PlannedTensor& tensor : plan.tensors)
    packed[source.tensors[tensor.source_index].name] = tensor.source_index;
  return packed;
}

bool has_known_names_and_rest(const SourceDescription& source,
                              const std::map<std::string_view, std::size_t>& packed,
                              const PackPlan& plan) {
  if (packed.size() != plan.tensors.size()) return false;  // a name is there twice
  std::vector<std::string_view> names;
  for (const SourceAttachment& attachment : source.attachments) {
    const std::string& name = attachment.name;
    const auto allowed = [](char c) {
      return std::string_view("._-").find(c) != std::string_view::npos || (c >= '0' && c <= '9') ||
             (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    if (name.empty() || name.front() == '.' || !std::ranges::all_of(name, allowed)) return false;
    names.push_back(name);
  }
  std::ranges::sort(names);
  if (std::ranges::adjacent_find(names) != names.end()) return false;
  return std::ranges::all_of(source.metadata, [](const MetadataEntry& entry) {
    return base::is_utf8(entry.key) && base::is_utf8(entry.value) &&
           entry.key.find('\0') == std::string::npos;
  });
}

void require_same_tensor(const Tensor& tensor, const SourceTensor& described, Bytes expected) {
  require(tensor.name() == described.name && tensor.dtype() == described.dtype,
          "a tensor keeps its name and type");
  require(std::ranges::equal(tensor.shape(), described.shape), "a tensor keeps its shape");
  require(same(tensor.bytes(), expected), "a tensor keeps its bytes:", escape_name(described.name));
}

void require_same_tensors(const Container& container, const DecodedSource& source,
                          const std::map<std::string_view, std::size_t>& packed) {
  require(container.tensor_count() == packed.size(), "every planned tensor is packed");
  std::size_t count = 0;
  for (const Layer& layer : container.layers()) {
    const auto view = layer.acquire();
    require(view.has_value(), "a layer of a new container is acquired",
            view ? "" : view.error().message());
    for (const Tensor& tensor : view->tensors()) {
      const auto found = packed.find(tensor.name());
      require(found != packed.end(), "a tensor comes from the source");
      require_same_tensor(tensor, source.description().tensors[found->second],
                          source.bytes(found->second));
      ++count;
    }
    if (count % 2 == 0) layer.release();
  }
  require(count == packed.size(), "every tensor is in a layer");
  for (const auto& [name, index] : packed) {
    const auto tensor = container.tensor(name);
    require(tensor.has_value(), "a tensor is found by its name");
    require_same_tensor(*tensor, source.description().tensors[index], source.bytes(index));
  }
}

// Tensors that lie in the same bytes of the source lie in the same bytes of the container.
void require_ties(const Container& container, const SourceDescription& source,
                  const std::map<std::string_view, std::size_t>& packed) {
  for (const auto& [name, index] : packed) {
    const SourceTensor& tensor = source.tensors[index];
    if (!tensor.storage || tensor.nbytes == 0) continue;
    for (const auto& [other_name, other_index] : packed) {
      const SourceTensor& other = source.tensors[other_index];
      if (!other.storage || other.storage->id != tensor.storage->id ||
          other.storage->byte_offset != tensor.storage->byte_offset ||
          other.nbytes != tensor.nbytes || other.dtype != tensor.dtype)
        continue;
      const TensorInfo a = *container.find(name);
      const TensorInfo b = *container.find(other_name);
      require(a.shard == b.shard && a.offset == b.offset, "tied tensors are stored once");
    }
  }
}

void require_same_rest(const Container& container, const DecodedSource& decoded) {
  const SourceDescription& source = decoded.description();
  require(container.metadata() == source.metadata, "metadata is kept");
  require(container.sources().size() == source.files.size() &&
              container.sources().front().size == source.files.front().size,
          "sources are kept");
  require(container.attachments().size() == source.attachments.size(), "attachments are kept");
  for (std::size_t i = 0; i < source.attachments.size(); ++i) {
    const auto bytes = container.attachment(source.attachments[i].name);
    require(bytes && same(*bytes, decoded.attachment(i)), "an attachment keeps its bytes");
  }
}

bool can_hold(const DTypeInfo& info, bool torch) {
  return torch ? exporting::torch_can_hold(info.dtype) : info.safetensors;
}

// safetensors has no sub-byte tensor that ends inside a byte; neither format has all types, or all
// the dimensions that may stand beside a 0.
bool can_be_unpacked(const Container& container, bool torch) {
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
    const TensorInfo tensor = container.tensor_info(id);
    const DTypeInfo* info = find_dtype(tensor.dtype);
    if (info == nullptr || !can_hold(*info, torch)) return false;
    const std::uint64_t largest = std::uint64_t{1} << (torch ? 63U : 53U);
    for (const std::uint64_t size : tensor.shape)
      if (size > largest - (torch ? 1 : 0)) return false;
    if (!torch && *element_count(tensor.shape) * info->bits % 8 != 0) return false;
    if (!torch && tensor.name == "__metadata__") return false;
  }
  return true;
}

void require_same_checkpoint(const std::string& path, const DecodedSource& source,
                             const std::map<std::string_view, std::size_t>& packed) {
  const auto back = open_tensor_source(path, {.root = "."});
  require(back.has_value(), "what was unpacked opens:", back ? "" : back.error().message());
  const auto& tensors = (*back)->description().tensors;
  require(tensors.size() == packed.size(), "every tensor comes back");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto found = packed.find(tensors[i].name);
    require(found != packed.end(), "a tensor comes back under its name");
    const SourceTensor& described = source.description().tensors[found->second];
    require(tensors[i].dtype == described.dtype && tensors[i].shape == described.shape,
            "a tensor comes back with its type and shape");
    std::vector<std::byte> bytes(tensors[i].nbytes);
    require((*back)->read(i, 0, bytes).has_value(), "a tensor is read back");
    require(same(bytes, source.bytes(found->second)), "a tensor comes back with its bytes");
  }
  require((*back)->finish({}).has_value(), "a checkpoint ends well");
}

void unpack_and_compare(const Container& container, const DecodedSource& source,
                        const std::map<std::string_view, std::size_t>& packed, const Round& round) {
  const std::string name = round.torch ? "out.pt" : "out.safetensors";
  const auto report = unpack(container, "/memory/" + name);
  const bool expected = can_be_unpacked(container, round.torch);
  if (!report) {
    if (!expected) require_refusal(report.error());
    if (expected) require_accounted_for(report.error(), "what a format can hold is unpacked:");
    return require_only({"m.wpack"}, "a failed unpack leaves nothing");
  }
  fail_memory_call(0, 0);
  require(expected, "what a format cannot hold is refused");
  require_only({"m.wpack", name}, "an unpack leaves one file");
  require_same_checkpoint("/memory/" + name, source, packed);
}

Container require_complete(const DecodedSource& source,
                           const std::map<std::string_view, std::size_t>& packed,
                           const Round& round) {
  const auto container = open_container(round);
  require(container.has_value(),
          "a new container opens:", container ? "" : container.error().message());
  require_same_tensors(*container, source, packed);
  require_ties(*container, source.description(), packed);
  require_same_rest(*container, source);
  if (round.verifies) {
    const auto verified = verify(kContainer);
    require(verified && verified->faults.empty(), "a new container verifies");
    require(verified->tensor_count == packed.size(), "every tensor is verified");
  }
  return *container;
}

void require_same_bytes_again(DecodedSource& source, const Round& round) {
  const Files files = container_files();
  PackOptions options = round.pack;
  options.replace = true;
  require(pack(source, kContainer, options).has_value(), "a container is replaced");
  require_only({"m.wpack"}, "the old container is gone");
  require(container_files() == files, "the same source gives the same bytes");
}

void run(Input& input) {
  const Round round = decode_round(input);
  DecodedSource source(input);
  const auto plan = plan_pack(source.description(), round.pack);
  fail_memory_call(round.failing_call, round.failure);
  const auto report = pack(source, kContainer, round.pack);
  if (!plan) {
    require(!report && report.error().message() == plan.error().message(),
            "what cannot be planned is not packed");
    require_one_line(plan.error().message(), "a message");
    return require_only({}, "a refused source leaves nothing");
  }
  const auto packed = packed_tensors(source.description(), *plan);
  const bool valid = has_known_names_and_rest(source.description(), packed, *plan);
  if (!report) {
    if (!valid) {
      if (!memory_call_failed()) require_refusal(report.error());
      // What a failure in the middle of cleaning up leaves, the next run sweeps.
      if (memory_call_failed() && report.error().system_errno() != round.failure)
        require(!pack(source, kContainer, round.pack).has_value(), "an invalid source is refused");
      return require_only({}, "a refused source leaves nothing:");
    }
    require_accounted_for(report.error(), "a valid source is packed:");
    // The last call is made when the container has its name already.
    if (list_memory_directory("/memory").empty()) return;
    require_only({"m.wpack"}, "a container is complete or absent");
    (void)require_complete(source, packed, round);
    return;
  }
  require(valid, "an invalid source is refused");
  require_only({"m.wpack"}, "packing leaves the container alone");
  const bool failed = memory_call_failed();  // in a call that does not matter
  fail_memory_call(0, 0);
  const Container container = require_complete(source, packed, round);
  require(report->tensor_count == packed.size() &&
              report->excluded_count + packed.size() == source.description().tensors.size(),
          "the report counts the tensors");
  if (round.packs_twice) require_same_bytes_again(source, round);
  fail_memory_call(failed ? 0 : round.failing_call, round.failure);
  unpack_and_compare(container, source, packed, round);
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wpack::fuzz::Input input(data, size);
  wpack::fuzz::run(input);
  wpack::fuzz::require(wpack::fuzz::reset_memory_files() == 0, "everything is closed");
  return 0;
}
