// XXH3 (github.com/Cyan4973/xxHash, seed 0): one-shot and streaming, at the processor's best level.
#pragma once

#include <cstdint>
#include <memory>

#include "wpack/types.h"

namespace wpack::format {

struct Hash128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
  friend auto operator<=>(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] std::uint64_t hash64(Bytes bytes) noexcept;
[[nodiscard]] Hash128 hash128(Bytes bytes) noexcept;

// XXH3 of bytes that come in pieces; 64 and 128 bits from one pass each. Move-only.
class StreamHash {
 public:
  enum class Width : std::uint8_t { k64, k128 };

  explicit StreamHash(Width width);
  StreamHash(StreamHash&&) noexcept;
  StreamHash& operator=(StreamHash&&) noexcept;
  ~StreamHash();

  void reset() noexcept;
  void update(Bytes bytes) noexcept;
  [[nodiscard]] std::uint64_t digest64() const noexcept;  // of a k64
  [[nodiscard]] Hash128 digest128() const noexcept;       // of a k128

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wpack::format
