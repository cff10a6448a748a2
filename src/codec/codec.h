// The seam for codecs: how the stored bytes of a chunk become its raw bytes. One file a codec, one
// row in the registry, one conformance suite for all.
#pragma once

#include <cstdint>
#include <string_view>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::codec {

// Stateless; thread safety: all functions, from several threads at once.
class Codec {
 public:
  Codec() = default;
  Codec(const Codec&) = delete;
  Codec& operator=(const Codec&) = delete;
  virtual ~Codec() = default;

  [[nodiscard]] virtual std::uint8_t id() const noexcept = 0;
  // The word of listings: "raw".
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // True if stored and raw bytes are the same, so that a mapped chunk needs no decoding.
  [[nodiscard]] virtual bool is_identity() const noexcept = 0;

  // Decodes one chunk: fills `raw`, whose size is the chunk's raw size. `stored` may hold anything
  // (its checksum only proves that it is what was written). Errors: kBadInput.
  [[nodiscard]] virtual Status decode(Bytes stored, MutableBytes raw) const = 0;
};

// Returns the codec with the pinned number `id` (format/REGISTRY.md), or nullptr if this version
// has none. Static storage.
[[nodiscard]] const Codec* find_codec(std::uint8_t id) noexcept;

// Returns the name of the codec `id`, or "unknown".
[[nodiscard]] std::string_view codec_name(std::uint8_t id) noexcept;

}  // namespace wpack::codec
