// Envelope and index: an input is an index.wpi. Whatever is accepted is walked through every
// accessor, and held against the rules that users of an Index rely on, told a second time here.
#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "base/checked_math.h"
#include "format/index_builder.h"
#include "format/index_file.h"
#include "fuzz_target.h"
#include "load/index_info.h"
#include "load/read_planner.h"
#include "property.h"

namespace wpack::fuzz {
namespace {

using base::range_within;
using format::Index;
using format::kNone;

std::vector<ByteRange> shard_ranges(const Index& index) {
  std::vector<ByteRange> ranges;
  for (std::uint32_t i = 0; i < index.shards().size(); ++i) {
    const format::ShardRow shard = index.shards()[i];
    require(shard.data_begin == 4096 && shard.data_begin < shard.data_end &&
                shard.data_end <= shard.file_size && shard.file_size % 4096 == 0,
            "a shard's data lie behind its envelope and inside its file");
    ranges.push_back({shard.data_begin, shard.data_end});
  }
  return ranges;
}

void require_disjoint_extents(const Index& index) {
  const std::vector<ByteRange> shards = shard_ranges(index);
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::uint64_t> ends;
  std::set<std::uint32_t> chunks;
  for (std::uint32_t i = 0; i < index.extents().size(); ++i) {
    const format::ExtentRow extent = index.extents()[i];
    require(extent.shard < shards.size(), "an extent lies in a shard");
    require(extent.offset >= 4096 &&
                range_within(extent.offset, extent.stored_size, shards[extent.shard].end),
            "an extent lies inside its shard's data");
    require(extent.stored_size > 0 && extent.raw_size > 0, "an extent holds bytes");
    ends[{extent.shard, extent.offset}] = extent.offset + extent.stored_size;
    std::uint64_t raw = 0;
    for (std::uint32_t c = 0; c < extent.chunk_count; ++c) {
      require(range_within(extent.chunk_first, c + 1ULL, index.chunks().size()), "a chunk exists");
      require(chunks.insert(extent.chunk_first + c).second, "a chunk belongs to one extent");
      const format::ChunkRow chunk = index.chunks()[extent.chunk_first + c];
      require(range_within(chunk.offset, chunk.stored_size, extent.stored_size),
              "a chunk lies inside its extent");
      raw += std::min(std::uint64_t{1} << extent.chunk_log2, extent.raw_size - raw);
    }
    require(raw == extent.raw_size, "chunks hold all bytes of their extent");
  }
  require(ends.size() == index.extents().size(), "extents start at different places");
  const std::pair<std::uint32_t, std::uint64_t>* before = nullptr;
  std::uint64_t before_end = 0;
  for (const auto& [place, end] : ends) {
    require(before == nullptr || before->first != place.first || before_end <= place.second,
            "extents do not overlap");
    before = &place;
    before_end = end;
  }
}

// The extents that acquiring the layer brings in, which its tensors may lie in.
std::set<std::uint32_t> require_sound_layer(const Index& index, std::uint32_t id) {
  const format::LayerRow row = index.layers()[id];
  const LayerInfo info = load::layer_info(index, id);
  require(info.tensor_begin < info.tensor_end && info.tensor_end <= index.tensors().size(),
          "a layer has tensors");
  require(index.find_layer(index.name_of(row)) == id, "a layer is found by its name");
  const std::vector<std::uint32_t> extents = load::extents_of_layer(index, id);
  std::uint64_t planned = 0;
  for (const load::ExtentRun& run : load::plan_runs(index, extents, {})) {
    planned += run.count;
    require(run.range.begin < run.range.end && run.shard < index.shards().size() &&
                run.range.end <= index.shards()[run.shard].file_size,
            "a run lies inside its shard");
    for (std::uint32_t i = run.first; i < run.first + run.count; ++i) {
      const format::ExtentRow extent = index.extents()[extents[i]];
      require(extent.shard == run.shard && run.range.begin <= extent.offset &&
                  extent.offset + extent.stored_size <= run.range.end,
              "a run holds its extents");
    }
  }
  require(planned == extents.size(), "every extent of a layer is planned once");
  for (std::uint32_t i = 0; i < row.extent_count; ++i) {
    const format::ExtentRow extent = index.extents()[row.extent_first + i];
    require(extent.layer == id && row.begin <= extent.offset &&
                extent.offset + extent.stored_size <= row.end && extent.shard == row.shard,
            "a layer's range holds its extents");
  }
  return {extents.begin(), extents.end()};
}

void require_sound_tensor(const Index& index, std::uint32_t id,
                          const std::set<std::uint32_t>& layer_extents) {
  const format::TensorRow row = index.tensors()[id];
  const TensorInfo info = load::tensor_info(index, id);
  require(info.name == index.name_of(row) && !info.name.empty(), "a tensor has a name");
  require(index.find_tensor(info.name) == id, "a tensor is found by its name");
  require(info.name.find('\0') == std::string_view::npos && base::is_utf8(info.name),
          "a name is UTF-8 without NUL");
  require(info.shape.size() == row.rank, "a shape has as many dimensions as the rank says");
  if (find_dtype(info.dtype) != nullptr)
    require(tensor_nbytes(info.dtype, info.shape) == info.nbytes, "shape and type give the size");
  if (info.nbytes == 0) return require(row.extent == kNone, "an empty tensor has no extent");
  require(layer_extents.contains(row.extent),
          "a tensor lies in an extent that its layer brings in");
  const format::ExtentRow extent = index.extents()[row.extent];
  require(range_within(row.byte_offset, row.nbytes, extent.raw_size),
          "a tensor lies inside its extent");
  const load::ChunkSpan span =
      load::chunks_of_range(extent, {row.byte_offset, row.byte_offset + row.nbytes});
  require(span.first < span.last && span.last <= extent.chunk_count,
          "a tensor's chunks are its extent's");
  if (row.alias_of == kNone) return;
  require(row.alias_of < index.tensors().size() && row.alias_of != id, "an owner exists");
  const format::TensorRow owner = index.tensors()[row.alias_of];
  require(owner.alias_of == kNone && owner.extent == row.extent &&
              owner.byte_offset <= row.byte_offset &&
              row.byte_offset + row.nbytes <= owner.byte_offset + owner.nbytes,
          "an alias lies inside its owner");
}

void require_sound_rest(const Index& index) {
  for (std::uint32_t i = 0; i < index.attachments().size(); ++i) {
    const format::AttachmentRow row = index.attachments()[i];
    const std::string_view name = index.name_of(row);
    require(!name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos,
            "an attachment's name is a plain name");
    if (row.extent == kNone) continue;
    require(row.extent < index.extents().size() && index.extents()[row.extent].layer == kNone,
            "an attachment's extent belongs to no layer");
  }
  for (std::uint32_t i = 0; i < index.metadata().size(); ++i) {
    const format::MetadataRow row = index.metadata()[i];
    require(index.key_of(row).size() == row.key_size && base::is_utf8(index.key_of(row)),
            "a key is UTF-8");
    require(index.value_of(row).size() == row.value_size && base::is_utf8(index.value_of(row)),
            "a value is UTF-8");
  }
  for (std::uint32_t i = 0; i < index.sources().size(); ++i)
    require(!index.name_of(index.sources()[i]).empty(), "a source has a name");
  require(!index.find_tensor("no tensor is called this\n\n"),
          "a name that is not there is not found");
}

void require_sound(const Index& index) {
  require_disjoint_extents(index);
  std::uint32_t tensor = 0;
  for (std::uint32_t i = 0; i < index.layers().size(); ++i) {
    const std::set<std::uint32_t> extents = require_sound_layer(index, i);
    const LayerInfo info = load::layer_info(index, i);
    require(info.tensor_begin == tensor, "layers own all tensors, in order");
    for (; tensor < info.tensor_end; ++tensor) require_sound_tensor(index, tensor, extents);
  }
  require(tensor == index.tensors().size(), "every tensor is of a layer");
  require_sound_rest(index);
}

// Any page may be taken for a shard's envelope; it fits no row by chance.
void decode_as_shard(Bytes file, const format::IndexFile* index) {
  const auto envelope =
      format::decode_envelope(file.first(std::min<std::size_t>(file.size(), 4096)), file.size());
  if (!envelope) return require_refusal(envelope.error());
  require(envelope->file_size == file.size() && envelope->data.begin == 4096 &&
              envelope->data.end > 4096 && envelope->data.end <= file.size(),
          "an envelope's numbers fit the file");
  require(envelope->incompatible_flags == 0, "an unknown incompatible flag is refused");
  if (index == nullptr) return;
  const Status fits = format::check_shard_envelope(*envelope, index->envelope, 0, {});
  require(!fits.has_value(), "an index is no shard");
  require_refusal(fits.error());
}

void run(Bytes file) {
  const auto parsed = format::parse_index_file(file, nullptr);
  decode_as_shard(file, parsed ? &*parsed : nullptr);
  if (!parsed) return require_refusal(parsed.error());
  require_sound(parsed->index);
  const Uuid uuid = format::uuid_of_index(parsed->flatbuffer);
  require(format::uuid_of_index(parsed->flatbuffer) == uuid, "the UUID is a function of the index");
  if (parsed->envelope.compatible_flags != 0) return;
  require(std::ranges::equal(format::encode_index_file(parsed->flatbuffer, parsed->envelope.uuid,
                                                       parsed->envelope.shard_count),
                             file),
          "an accepted file is the one that its contents encode to");
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size, aligned as the reader's own buffers are.
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  const std::vector<std::byte> file(begin, begin + size);
  wpack::fuzz::run(file);
  return 0;
}
