// RAW (0): the stored bytes are the raw bytes.
#pragma once

#include "codec/codec.h"

namespace wpack::codec {

class RawCodec final : public Codec {
 public:
  [[nodiscard]] std::uint8_t id() const noexcept override { return 0; }
  [[nodiscard]] std::string_view name() const noexcept override { return "raw"; }
  [[nodiscard]] bool is_identity() const noexcept override { return true; }
  [[nodiscard]] Status decode(Bytes stored, MutableBytes raw) const override;
};

}  // namespace wpack::codec
