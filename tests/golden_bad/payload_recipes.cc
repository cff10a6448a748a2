// What lies in the shards, and the files themselves: rules C4, T5, P1, U1, D1 and D3.
#include "recipes.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;

// Sets the byte at `at` of shard 0, which is padding, before the shard is written.
Recipe with_padding(std::string name, std::size_t at) {
  return {std::move(name), [=](const fs::path& path) {
            ContainerBuilder builder = sample();
            builder.shard(0)[at] = std::byte{1};
            (void)builder.build(path);
          }};
}

// Another container's identity, in every file.
Recipe with_another_uuid() {
  return {"uuid-differs", [](const fs::path& path) {
            const auto patch = set_field(40, std::uint64_t{1});
            (void)one_tensor()
                .patch_envelope(0, patch)
                .patch_envelope(format::kNone, patch)
                .build(path);
          }};
}

}  // namespace

std::vector<Recipe> payload_recipes() {
  return {
      with_files("payload-damaged", one_tensor,
                 [](auto& path) { flip_byte(path / "00000.wps", 4096); }),
      with_files("attachment-damaged", sample,
                 [](auto& path) { flip_byte(path / "00000.wps", 0x3000); }),
      with_rows("chunk-hash", one_tensor, [](auto& c) { c.chunks[0].hash ^= 1U; }),
      with_rows("tensor-hash", one_tensor, [](auto& c) { c.tensors[0].row.hash ^= 1U; }),
      with_rows("tensor-empty-hash", no_payload, [](auto& c) { c.tensors[3].row.hash ^= 1U; }),
      with_rows("alias-hash", sample, [](auto& c) { c.tensors[5].row.hash ^= 1U; }),
      with_padding("padding-between-extents", 0x2000 + 200),
      with_padding("padding-behind-a-layer", 0x1FFF),
      with_files("padding-at-the-end", one_tensor,
                 [](auto& path) { flip_byte(path / "00000.wps", 8191); }),
      with_another_uuid(),
      with_files("index-missing", one_tensor, [](auto& path) { fs::remove(path / "index.wpi"); }),
      with_files("shard-missing", one_tensor, [](auto& path) { fs::remove(path / "00000.wps"); }),
      with_files("shard-unknown", one_tensor,
                 [](auto& path) { fs::copy_file(path / "00000.wps", path / "00001.wps"); }),
  };
}

}  // namespace wpack::testing
