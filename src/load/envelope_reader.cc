#include "load/envelope_reader.h"

#include <algorithm>
#include <utility>

#include "format/index_file.h"

namespace wpack::load {
namespace {

// Reads the first page of `file`, as much of it as there is, and gives it to `decode`.
template <typename Decode>
Result<format::Envelope> read_and(const os::File& file, Decode decode) {
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  format::EnvelopeBytes page;
  const auto front = MutableBytes(page).first(std::min<std::uint64_t>(size, page.size()));
  WPACK_TRY(file.read_exact(0, front));
  auto envelope = decode(front, size);
  if (!envelope) return std::move(envelope).error().in(file.label());
  return envelope;
}

}  // namespace

Result<format::Envelope> read_envelope(const os::File& file) {
  return read_and(
      file, [](Bytes page, std::uint64_t size) { return format::decode_envelope(page, size); });
}

Result<format::Envelope> read_shard_envelope(const os::File& file, const format::ShardRow& row) {
  return read_and(file, [&](Bytes page, std::uint64_t size) {
    return format::decode_shard_envelope(page, size, row);
  });
}

}  // namespace wpack::load
