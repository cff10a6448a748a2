#include "codec/codec.h"

#include <array>

#include "codec/raw_codec.h"

namespace wpack::codec {
namespace {

const RawCodec kRawCodec;
const std::array<const Codec*, 1> kCodecs = {&kRawCodec};

}  // namespace

const Codec* find_codec(std::uint8_t id) noexcept {
  for (const Codec* codec : kCodecs) {
    if (codec->id() == id) return codec;
  }
  return nullptr;
}

std::string_view codec_name(std::uint8_t id) noexcept {
  const Codec* codec = find_codec(id);
  return codec != nullptr ? codec->name() : "unknown";
}

}  // namespace wpack::codec
