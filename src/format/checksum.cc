#include "format/checksum.h"

// The dispatching entry points pick SSE2, AVX2 or AVX-512 at run time; the result is the same.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

#include <new>

namespace wpack::format {

std::uint64_t hash64(Bytes bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

Hash128 hash128(Bytes bytes) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.high64, hash.low64};
}

struct StreamHash::State {
  struct Free {
    void operator()(XXH3_state_t* state) const noexcept { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> xxh;
  Width width;
};

StreamHash::StreamHash(Width width) : state_(std::make_unique<State>()) {
  state_->xxh.reset(XXH3_createState());
  if (state_->xxh == nullptr) throw std::bad_alloc();
  state_->width = width;
  reset();
}

StreamHash::StreamHash(StreamHash&&) noexcept = default;
StreamHash& StreamHash::operator=(StreamHash&&) noexcept = default;
StreamHash::~StreamHash() = default;

void StreamHash::reset() noexcept {
  if (state_->width == Width::k64) {
    XXH3_64bits_reset(state_->xxh.get());
  } else {
    XXH3_128bits_reset(state_->xxh.get());
  }
}

void StreamHash::update(Bytes bytes) noexcept {
  if (state_->width == Width::k64) {
    XXH3_64bits_update(state_->xxh.get(), bytes.data(), bytes.size());
  } else {
    XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size());
  }
}

std::uint64_t StreamHash::digest64() const noexcept {
  return XXH3_64bits_digest(state_->xxh.get());
}

Hash128 StreamHash::digest128() const noexcept {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->xxh.get());
  return {hash.high64, hash.low64};
}

}  // namespace wpack::format
