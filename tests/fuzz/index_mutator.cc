// libFuzzer's mutations of an index.wpi, with what they break repaired behind them: sizes, name
// tables, checksums. Without this no mutation would come past the checksum. Now and then something
// is left broken.
#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "base/align.h"
#include "base/little_endian.h"
#include "format/checksum.h"
#include "format/index_builder.h"
#include "format/name_table.h"
#include "wpack_generated.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace wpack::fuzz {
namespace {

using Random = std::minstd_rand;
namespace fbs = format::fbs;
using format::kEnvelopeSize;

// Where SPEC section 4 puts the fields of the envelope.
constexpr std::size_t kHeadSize = 96;
constexpr std::size_t kUuid = 40;
constexpr std::size_t kShardCount = 60;
constexpr std::size_t kFileSize = 64;
constexpr std::size_t kDataBegin = 72;
constexpr std::size_t kDataEnd = 80;
constexpr std::size_t kDataHash = 88;
constexpr std::size_t kEnvelopeHash = 4088;

std::uint64_t below(Random& random, std::uint64_t limit) { return random() % limit; }
bool one_in(Random& random, std::uint64_t n) { return below(random, n) == 0; }

const fbs::Index* verified(std::span<const std::byte> flatbuffer) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(flatbuffer.data());
  if (flatbuffer.size() < 16) return nullptr;
  flatbuffers::Verifier verifier(data, flatbuffer.size(), 4, 4);
  return fbs::VerifyIndexBuffer(verifier) ? fbs::GetIndex(data) : nullptr;
}

struct Rows {
  std::byte* begin;
  std::size_t row_size;
  std::size_t count;
};

template <typename T>
Rows rows_of(const flatbuffers::Vector<T>* vector, std::size_t row_size) {
  return {const_cast<std::byte*>(reinterpret_cast<const std::byte*>(vector->Data())), row_size,
          vector->size()};
}

std::uint64_t other_value(std::uint64_t value, std::size_t width, const Rows& rows,
                          Random& random) {
  switch (below(random, 8)) {
    case 0:
      return value + 1;
    case 1:
      return value - 1;
    case 2:
      return 0;
    case 3:
      return ~std::uint64_t{0};
    case 4:
      return std::uint64_t{1} << below(random, 64);
    case 5:
      return value + (std::uint64_t{1} << below(random, 20));
    case 6:
      return value - (std::uint64_t{1} << below(random, 20));
    default: {  // what stands somewhere else in these rows
      const std::size_t size = rows.row_size * rows.count;
      std::uint64_t taken = 0;
      std::memcpy(&taken, rows.begin + below(random, size / width) * width, width);
      return taken;
    }
  }
}

// Changes one field of one row.
void mutate_field(std::span<std::byte> flatbuffer, Random& random) {
  const fbs::Index* index = verified(flatbuffer);
  if (index == nullptr) return;
  const std::array<Rows, 14> vectors = {
      rows_of(index->shards(), 32),      rows_of(index->extents(), 48),
      rows_of(index->extents(), 48),     rows_of(index->chunks(), 24),
      rows_of(index->layers(), 56),      rows_of(index->layers(), 56),
      rows_of(index->foreign(), 4),      rows_of(index->tensors(), 64),
      rows_of(index->tensors(), 64),     rows_of(index->tensors_by_name(), 4),
      rows_of(index->tensor_slots(), 8), rows_of(index->dims(), 8),
      rows_of(index->attachments(), 16), rows_of(index->metadata(), 24)};
  const Rows& rows = vectors[below(random, vectors.size())];
  if (rows.count == 0) return;
  const std::size_t width =
      std::min<std::size_t>(std::size_t{1} << below(random, 4), rows.row_size);
  const std::size_t at = below(random, rows.row_size * rows.count / width) * width;
  std::uint64_t value = 0;
  std::memcpy(&value, rows.begin + at, width);
  value = other_value(value, width, rows, random);
  std::memcpy(rows.begin + at, &value, width);
}

template <typename Row>
void repair_name_table(const flatbuffers::Vector<std::uint8_t>& names, const Rows& named,
                       const Rows& by_name, const Rows& slots) {
  std::vector<std::string_view> list;
  for (std::size_t i = 0; i < named.count; ++i) {
    Row row;
    std::memcpy(&row, named.begin + i * named.row_size, sizeof row);
    if (row.name_offset > names.size() || row.name_size > names.size() - row.name_offset) return;
    list.emplace_back(reinterpret_cast<const char*>(names.data()) + row.name_offset, row.name_size);
  }
  const format::NameTableResult built = format::build_name_table(list);
  if (built.duplicate || built.table.by_name.size() != by_name.count ||
      built.table.slots.size() != slots.count || list.empty())
    return;
  std::memcpy(by_name.begin, built.table.by_name.data(), by_name.count * by_name.row_size);
  std::memcpy(slots.begin, built.table.slots.data(), slots.count * slots.row_size);
}

void repair_name_tables(std::span<std::byte> flatbuffer) {
  const fbs::Index* index = verified(flatbuffer);
  if (index == nullptr) return;
  repair_name_table<format::TensorRow>(*index->names(), rows_of(index->tensors(), 64),
                                       rows_of(index->tensors_by_name(), 4),
                                       rows_of(index->tensor_slots(), 8));
  repair_name_table<format::LayerRow>(*index->names(), rows_of(index->layers(), 56),
                                      rows_of(index->layers_by_name(), 4),
                                      rows_of(index->layer_slots(), 8));
}

// Makes the envelope fit the FlatBuffer behind it, each field but once in a while.
void repair_envelope(std::span<std::byte> file, std::span<const std::byte> flatbuffer,
                     Random& random) {
  using base::store_le;
  const auto keeps_broken = [&] { return one_in(random, 64); };
  if (const fbs::Index* index = verified(flatbuffer); index != nullptr && !keeps_broken()) {
    store_le<std::uint32_t>(&file[kShardCount], index->shards()->size());
    const Uuid uuid = format::uuid_of_index(flatbuffer);
    std::memcpy(&file[kUuid], uuid.bytes, sizeof uuid.bytes);
  }
  if (!keeps_broken()) store_le<std::uint64_t>(&file[kFileSize], file.size());
  if (!keeps_broken()) store_le<std::uint64_t>(&file[kDataBegin], kEnvelopeSize);
  if (!keeps_broken()) store_le(&file[kDataEnd], kEnvelopeSize + flatbuffer.size());
  if (!keeps_broken()) store_le(&file[kDataHash], format::hash64(flatbuffer));
  if (!keeps_broken()) store_le(&file[kEnvelopeHash], format::hash64(file.first(kEnvelopeHash)));
}

// The FlatBuffer of `file`, as far as the envelope can be believed.
std::size_t flatbuffer_size(std::span<const std::byte> file) {
  const auto end = base::load_le<std::uint64_t>(&file[kDataEnd]);
  return (end > kEnvelopeSize && end <= file.size() ? end : file.size()) - kEnvelopeSize;
}

std::size_t mutate(std::span<std::byte> out, std::size_t size, Random& random) {
  const auto page = out.first(kEnvelopeSize);
  const std::size_t old_size = flatbuffer_size(out.first(size));
  // Aligned, as the FlatBuffer is in a file that is read.
  std::vector<std::byte> flatbuffer(base::align_down(out.size(), base::kPageSize) - kEnvelopeSize);
  std::ranges::copy(out.subspan(kEnvelopeSize, old_size), flatbuffer.begin());
  std::size_t new_size = old_size;
  if (one_in(random, 8)) {
    std::array<std::uint8_t, kHeadSize> head{};
    std::memcpy(head.data(), page.data(), head.size());
    (void)LLVMFuzzerMutate(head.data(), head.size(), head.size());
    std::memcpy(page.data(), head.data(), head.size());
  } else if (one_in(random, 3)) {
    new_size = LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(flatbuffer.data()), old_size,
                                flatbuffer.size());
  } else {
    for (auto left = 1 + below(random, 3); left > 0; --left)
      mutate_field(std::span(flatbuffer).first(old_size), random);
  }
  const std::span<std::byte> changed = std::span(flatbuffer).first(new_size);
  if (!one_in(random, 4)) repair_name_tables(changed);
  const std::size_t file_size = kEnvelopeSize + base::align_up(new_size, base::kPageSize);
  std::ranges::fill(out.subspan(kEnvelopeSize), std::byte{0});
  std::ranges::copy(changed, out.begin() + kEnvelopeSize);
  if (one_in(random, 64))
    out[kEnvelopeSize + below(random, file_size - kEnvelopeSize)] ^= std::byte{1};
  if (!one_in(random, 32)) repair_envelope(out.first(file_size), changed, random);
  return file_size;
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  wpack::fuzz::Random random(seed + 1);
  constexpr std::size_t kSmallest = 2 * wpack::base::kPageSize;
  if (size < kSmallest || max_size < kSmallest || wpack::fuzz::one_in(random, 256))
    return LLVMFuzzerMutate(data, size, max_size);
  return wpack::fuzz::mutate({reinterpret_cast<std::byte*>(data), max_size}, size, random);
}
