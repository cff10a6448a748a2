// Building the bytes of an index. The same contents give the same bytes, always.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/rows.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::format {

// Rows with their names. Where a name, dimensions or a name table belongs, the builder fills in
// the row's offsets; whatever is set there is ignored.
struct IndexContents {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    TensorRow row;
  };
  struct Layer {
    std::string name;
    LayerRow row;
    std::vector<std::uint32_t> foreign;  // extents of other layers, ascending
  };
  struct Attachment {
    std::string name;
    AttachmentRow row;
  };
  struct Metadata {
    std::string key;
    std::string value;
    MetadataRow row;
  };
  struct Source {
    std::string name;
    SourceRow row;
  };

  std::string producer;
  std::string source_format;
  std::vector<ShardRow> shards;  // envelope_hash 0 until the UUID is known
  std::vector<ExtentRow> extents;
  std::vector<ChunkRow> chunks;
  std::vector<Layer> layers;
  std::vector<Tensor> tensors;
  std::vector<Attachment> attachments;  // ascending by name
  std::vector<Metadata> metadata;
  std::vector<Source> sources;
};

// Returns the FlatBuffer. It does not validate: the writer re-reads what it wrote with
// Index::parse. Gives the memory of `contents` back on the way: about three copies of what it
// returns are alive at once. Errors: kBadInput (a name is there twice), kLimit (names, metadata or
// the whole outgrow the format).
[[nodiscard]] Result<std::vector<std::byte>> build_index(IndexContents contents);

// Returns the UUID of a container: XXH3-128 of its index with all envelope hashes zeroed.
// `index` has passed the FlatBuffers verifier.
[[nodiscard]] Uuid uuid_of_index(Bytes index);

// Puts the envelope hash of every shard into its row. `index` comes from build_index.
void set_envelope_hashes(std::span<std::byte> index, std::span<const std::uint64_t> hashes);

}  // namespace wpack::format
