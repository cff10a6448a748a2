// The pickle machine, the checkpoint's tree and its tensors: an input is a byte of options and a
// data.pkl. Around it stands an archive with the storages that the pickle asks for, as far as they
// are small; what is accepted is read and compared with a gather, element by element, over those.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>

#include "fuzz_target.h"
#include "import/torch/checkpoint_tree.h"
#include "import/torch/pickle_machine.h"
#include "import/torch/torch_source.h"
#include "memory_files.h"
#include "property.h"
#include "support/zip_builder.h"
#include "wpack/pack.h"

namespace wpack::fuzz {
namespace {

using import::NodeId;
using import::NodeKind;
using import::PickleTree;

constexpr const char* kPath = "/memory/model.pt";
constexpr std::uint64_t kMaxStorage = 1024;
constexpr std::size_t kMaxStorages = 8;

struct Options {
  SourceOptions source;
  bool big_endian = false;
  bool odd_sizes = false;  // storages have other sizes than the pickle says
};

Options decode_options(std::uint8_t byte) {
  constexpr std::array<const char*, 4> kRoots = {"", ".", "model", "state_dict.0"};
  Options options;
  options.source.root = kRoots[byte % 4];
  options.source.max_expansion = (byte & 4) != 0 ? 2 : 64;
  options.big_endian = (byte & 8) != 0;
  options.odd_sizes = (byte & 16) != 0;
  return options;
}

std::uint64_t element_size(const PickleTree& tree, NodeId type) {
  if (tree.kind(type) != NodeKind::kGlobal) return 1;
  const DTypeInfo* info = find_dtype(tree.global(type).info.dtype);
  return info == nullptr ? 1 : std::max<std::uint64_t>(1, info->bits / 8U);
}

// The storages that the pickle's persistent ids name, ("storage", type, key, location, count), and
// their sizes.
std::map<std::string, std::uint64_t> wanted_storages(const PickleTree& tree) {
  std::map<std::string, std::uint64_t> sizes;
  for (NodeId id = 0; id < tree.size() && sizes.size() < kMaxStorages; ++id) {
    if (tree.kind(id) != NodeKind::kPersistent) continue;
    const NodeId payload = tree.persistent_id(id);
    if (tree.kind(payload) != NodeKind::kTuple) continue;
    const auto items = tree.tuple(payload);
    if (items.size() < 5 || tree.kind(items[2]) != NodeKind::kString ||
        tree.kind(items[4]) != NodeKind::kInteger)
      continue;
    const auto count = static_cast<std::uint64_t>(tree.integer(items[4]));
    const std::string key(tree.text(items[2]));
    if (count > kMaxStorage || key.empty() || key.size() > 8) continue;
    sizes.emplace(key, count * element_size(tree, items[1]));
  }
  return sizes;
}

std::string storage_bytes(std::uint64_t size, std::uint8_t seed) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>((i * 37 + seed) ^ (i >> 6U));
  return bytes;
}

std::string archive_of(std::string_view pickle, const PickleTree& tree, const Options& options) {
  testing::ZipBuilder zip;
  zip.add("a/data.pkl", std::string(pickle));
  for (const auto& [key, size] : wanted_storages(tree)) {
    const std::uint64_t held = options.odd_sizes && size > 0 ? size - 1 : size;
    zip.add("a/data/" + key, storage_bytes(held, static_cast<std::uint8_t>(key.front())));
  }
  zip.add("a/version", "3\n");
  if (options.big_endian) zip.add("a/byteorder", "big");
  return zip.build();
}

void require_sound_text(std::string_view text, std::size_t min_size) {
  require(text.size() >= min_size && text.size() <= 4096 && base::is_utf8(text) &&
              text.find('\0') == std::string_view::npos,
          "a name is UTF-8 without NUL, of 1 to 4096 bytes");
}

void require_sound(const SourceDescription& description) {
  std::set<std::string_view> names;
  for (const SourceTensor& tensor : description.tensors) {
    require_sound_text(tensor.name, 1);
    require(names.insert(tensor.name).second, "names are unique");
    require(tensor.shape.size() <= 32, "a rank is at most 32");
    require(tensor_nbytes(tensor.dtype, tensor.shape) == tensor.nbytes,
            "shape and type give the size");
  }
  for (const MetadataEntry& entry : description.metadata) {
    require_sound_text(entry.key, 0);
    require(base::is_utf8(entry.value), "a value is UTF-8");
  }
  for (const std::string& warning : description.warnings) require_one_line(warning, "a warning");
  for (const std::string& leaf : description.dropped_leaves) require_one_line(leaf, "a leaf");
}

// The tensor's bytes by the definition: for each index of its shape, the element that the strides
// lead to.
std::string gathered(const import::TensorView& view, const std::string& storage) {
  const std::size_t size = find_dtype(view.dtype)->bits / 8U;
  std::string bytes;
  std::vector<std::uint64_t> index(view.shape.size(), 0);
  while (bytes.size() < view.nbytes) {
    std::uint64_t at = view.byte_offset;
    for (std::size_t i = 0; i < index.size(); ++i) at += index[i] * view.strides[i] * size;
    require(at <= storage.size() && size <= storage.size() - at, "an element lies in its storage");
    bytes.append(storage, at, size);
    for (std::size_t i = index.size(); i-- > 0 && ++index[i] == view.shape[i];) index[i] = 0;
  }
  return bytes;
}

void require_same_bytes(const import::TensorView& view, const std::string& storage,
                        const std::string& read) {
  if (!view.strides.empty())
    return require(gathered(view, storage) == read, "a strided tensor is gathered by its strides");
  require(view.byte_offset <= storage.size() && view.nbytes <= storage.size() - view.byte_offset,
          "a tensor lies in its storage");
  require(storage.compare(view.byte_offset, view.nbytes, read) == 0,
          "a contiguous tensor is a range of its storage");
}

// Reads every tensor and compares it with what flattening the same pickle says of it.
void read_tensors(TensorSource& source, const import::Pickle& pickle, const Options& options) {
  const os::File file = os::File::open_read(kPath).value();
  import::MemoryMeter meter;
  const auto archive = import::ZipArchive::open(file, file.size().value(), meter);
  import::TensorRebuilder rebuilder(pickle.tree, *archive, options.source.max_expansion);
  const auto checkpoint =
      import::flatten_checkpoint(pickle.tree, pickle.root, rebuilder, options.source.root, meter);
  require(checkpoint.has_value(), "what opens can be flattened");
  const auto& tensors = source.description().tensors;
  require(tensors.size() == checkpoint->tensors.size(), "every tensor is described");
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::string read(tensors[i].nbytes, '\0');
    const MutableBytes out = std::as_writable_bytes(std::span(read));
    const std::size_t half = read.size() / 2;
    const Status back = source.read(i, half, out.subspan(half));
    const Status front = source.read(i, 0, out.first(half));
    require(back.has_value() && front.has_value(), "a tensor of an accepted source is read");
    if (options.big_endian || read.empty()) continue;
    const import::TensorView& view = checkpoint->tensors[i].view;
    const auto& member = archive->members()[view.member];
    require(member.name.starts_with("data/"), "a storage lies in data/");
    const std::string storage =
        storage_bytes(member.size, static_cast<std::uint8_t>(member.name[5]));
    require_same_bytes(view, storage, read);
  }
}

void run(std::string_view input) {
  if (input.empty()) return;
  const Options options = decode_options(static_cast<std::uint8_t>(input.front()));
  const std::string_view pickle = input.substr(1);
  import::MemoryMeter meter;
  const auto parsed = import::read_pickle(std::as_bytes(std::span(pickle)), meter);
  if (!parsed) return require_refusal(parsed.error());
  const std::string archive = archive_of(pickle, parsed->tree, options);
  write_memory_file(kPath, std::as_bytes(std::span(archive)));
  auto source = import::open_torch_zip(os::File::open_read(kPath).value(), options.source);
  if (!source) return require_refusal(source.error());
  require_sound((*source)->description());
  read_tensors(**source, *parsed, options);
  require((*source)->finish({}).has_value(), "an unchanged source ends well");
  if (const auto plan = plan_pack((*source)->description()); !plan) require_refusal(plan.error());
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  wpack::fuzz::run(input);
  wpack::fuzz::require(wpack::fuzz::reset_memory_files() == 0, "everything is closed");
  return 0;
}
