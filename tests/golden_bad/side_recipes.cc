// Attachments and metadata: rules A1 and M1, and the two texts of the whole index: F1.
#include "recipes.h"
#include "support/flat_index.h"

namespace wpack::testing {
namespace {

void patch_metadata(MutableBytes bytes, void (*edit)(format::MetadataRow&)) {
  FlatIndex index(bytes);
  auto row = index.row<format::MetadataRow>(Field::kMetadata, 1);
  edit(row);
  index.set_row(Field::kMetadata, 1, row);
}

}  // namespace

std::vector<Recipe> side_recipes() {
  return {
      with_rows("attachment-named-as-a-path", no_payload,
                [](auto& c) { c.attachments[0].name = "../config"; }),
      with_rows("attachment-with-a-slash", no_payload,
                [](auto& c) { c.attachments[0].name = "a/config"; }),
      with_rows("attachment-hidden", no_payload,
                [](auto& c) { c.attachments[0].name = ".config"; }),
      with_rows("attachment-not-ascii", no_payload,
                [](auto& c) { c.attachments[0].name = "config\xC3\xA9"; }),
      with_rows("attachments-out-of-order", no_payload,
                [](auto& c) { std::swap(c.attachments[0], c.attachments[1]); }),
      with_rows("attachment-twice", no_payload,
                [](auto& c) { c.attachments[1].name = c.attachments[0].name; }),
      with_rows("attachment-of-a-layer", sample, [](auto& c) { c.attachments[1].row.extent = 0; }),
      with_rows("attachment-extent-missing", sample,
                [](auto& c) { c.attachments[1].row.extent = 4; }),
      with_rows("metadata-key-too-long", no_payload,
                [](auto& c) { c.metadata[1].key = std::string(4097, 'k'); }),
      with_rows("metadata-key-not-utf8", no_payload, [](auto& c) { c.metadata[1].key = "\xFF"; }),
      with_rows("metadata-key-with-nul", no_payload,
                [](auto& c) { c.metadata[1].key = std::string("k\0", 2); }),
      with_rows("metadata-value-not-utf8", no_payload,
                [](auto& c) { c.metadata[1].value = "\xFF"; }),
      with_rows("metadata-splits-a-character", no_payload,
                [](auto& c) {
                  c.metadata[1].key = "k\xC3";
                  c.metadata[1].value = "\xA9";
                }),
      with_index(
          "metadata-key-out-of-place", no_payload,
          [](MutableBytes bytes) { patch_metadata(bytes, [](auto& row) { --row.key_offset; }); }),
      with_index(
          "metadata-value-out-of-place", no_payload,
          [](MutableBytes bytes) { patch_metadata(bytes, [](auto& row) { --row.value_offset; }); }),
      with_index(
          "metadata-past-the-end", no_payload,
          [](MutableBytes bytes) { patch_metadata(bytes, [](auto& row) { row.value_size = 2; }); }),
      with_index(
          "metadata-of-nothing", no_payload,
          [](MutableBytes bytes) { patch_metadata(bytes, [](auto& row) { row.value_size = 0; }); }),
      with_rows("producer-not-utf8", no_payload, [](auto& c) { c.producer = "\xFF"; }),
      with_rows("producer-too-long", no_payload,
                [](auto& c) { c.producer = std::string(256, 'p'); }),
      with_rows("source-format-too-long", no_payload,
                [](auto& c) { c.source_format = std::string(256, 's'); }),
      with_rows("source-format-not-utf8", no_payload, [](auto& c) { c.source_format = "\xFF"; }),
  };
}

}  // namespace wpack::testing
