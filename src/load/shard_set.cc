#include "load/shard_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked_math.h"
#include "load/envelope_reader.h"
#include "os/residency.h"
#include "os/resource_limits.h"

namespace wpack::load {
namespace {

constexpr std::uint64_t kShardsOpenedFirst = 16;

// A quarter of what the process may open is left to wpack, within these bounds.
constexpr std::uint64_t kOpenAtLeast = 4;
constexpr std::uint64_t kOpenAtMost = 256;

// What goes through the page cache comes in by pages, and mapped bytes in pieces of any size.
ShardReads reads_by(const ReadChoice& choice) {
  ShardReads reads;
  if (maps(choice.method)) return reads;
  if (choice.method == ReadMethod::kDirect && choice.direct)
    reads.alignment = choice.direct->offset;
  if (choice.block_size > 0) reads.max_size = choice.block_size;
  return reads;
}

}  // namespace

Bytes CheckedShard::view(std::uint64_t offset, std::uint64_t size) const noexcept {
  if (!base::range_within(offset, size, region.bytes().size())) return {};
  return region.bytes().subspan(offset, size);
}

ShardSet::ShardSet(const OpenedIndex& index, const ReadChooser& chooser, Fallbacks& fallbacks)
    : index_(index),
      chooser_(chooser),
      fallbacks_(fallbacks),
      open_limit_(std::clamp(os::open_file_limit() / 4, kOpenAtLeast, kOpenAtMost)),
      slots_(index.file.index.shards().size()) {}

std::uint64_t ShardSet::opened_first() const noexcept {
  return std::min<std::uint64_t>(open_limit_, kShardsOpenedFirst);
}

Status ShardSet::open_first() {
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < slots_.size() && i < opened_first(); ++i) WPACK_TRY(open(i));
  return {};
}

// So few stay open: none is closed to open another.
bool ShardSet::all_opened() const noexcept { return slots_.size() <= opened_first(); }

Result<const CheckedShard*> ShardSet::use(std::uint32_t number) {
  if (number >= slots_.size()) {
    return Error(ErrorCode::kIntegrity,
                 fmt::format("{}: index changed while it was in use", index_.label));
  }
  Slot& slot = slots_[number];
  if (const CheckedShard* shard = slot.checked.load(std::memory_order_acquire)) return shard;
  const std::lock_guard lock(mutex_);
  if (slot.owner == nullptr) {
    WPACK_TRY(check(number));
    auto shard = std::make_unique<CheckedShard>();
    shard->number = number;
    WPACK_TRY(map(*shard));
    fallbacks_.count_missing(shard->reading.choice);
    slot.owner = std::move(shard);
    slot.checked.store(slot.owner.get(), std::memory_order_release);
  }
  return slot.owner.get();
}

Result<std::vector<ShardReads>> ShardSet::reads_of(std::span<const std::uint32_t> extents) {
  std::vector<ShardReads> reads;
  std::uint32_t last = format::kNone;
  for (const std::uint32_t extent : extents) {
    const std::uint32_t number = index_.file.index.extents()[extent].shard;
    if (number == last) continue;
    WPACK_ASSIGN(const CheckedShard* shard, use(number));
    if (reads.size() <= number) reads.resize(std::size_t{number} + 1);
    reads[number] = reads_by(shard->reading.choice);
    last = number;
  }
  return reads;
}

Result<std::vector<ShardReads>> ShardSet::block_reads_of(std::span<const std::uint32_t> extents) {
  WPACK_ASSIGN(std::vector<ShardReads> reads, reads_of(extents));
  for (ShardReads& shard : reads) shard.alignment = std::max(shard.alignment, base::kPageSize);
  return reads;
}

Result<OpenShard> ShardSet::file(const CheckedShard& shard) {
  const std::lock_guard lock(mutex_);
  WPACK_TRY(check(shard.number));
  return slots_[shard.number].file;
}

Result<ReadableShard> ShardSet::readable(const CheckedShard& shard, ReadMethod method) {
  const std::lock_guard lock(mutex_);
  WPACK_TRY(check(shard.number));
  Slot& slot = slots_[shard.number];
  if (method == ReadMethod::kDirect && slot.direct == nullptr) {
    WPACK_ASSIGN(os::DirectFile direct, os::open_direct(slot.file->fd(), slot.file->label()));
    slot.direct = std::make_shared<const os::DirectFile>(std::move(direct));
  }
  return ReadableShard{slot.file, method == ReadMethod::kDirect ? slot.direct : nullptr};
}

Result<ReadChoice> ShardSet::choose_copy(const CheckedShard& shard, ByteRange range) {
  WPACK_ASSIGN(const OpenShard opened, file(shard));
  return choose_copy_of(shard.reading.file, *opened, range);
}

// By what of the range is in the page cache now: what is mapped meanwhile brings it in.
ReadChoice ShardSet::choose_copy_of(FileFacts facts, const os::File& file, ByteRange range) const {
  facts.size = range.size();
  facts.resident = os::resident_bytes(file.fd(), range);
  return chooser_.choose_copy(facts);
}

Status ShardSet::open(std::uint32_t number) {
  Slot& slot = slots_[number];
  slot.used_at = ++clock_;
  if (slot.file != nullptr) return {};
  if (open_count_ >= open_limit_) close_least_recently_used();
  WPACK_ASSIGN(os::File file,
               os::File::open_read_at(index_.directory, format::shard_file_name(number),
                                      index_.shard_label(number)));
  slot.file = std::make_shared<const os::File>(std::move(file));
  slot.file_is_right = false;
  ++open_count_;
  return {};
}

void ShardSet::close_least_recently_used() {
  Slot* oldest = nullptr;
  for (Slot& slot : slots_) {
    if (slot.file != nullptr && (oldest == nullptr || slot.used_at < oldest->used_at))
      oldest = &slot;
  }
  if (oldest == nullptr) return;
  oldest->file.reset();
  oldest->direct.reset();
  --open_count_;
}

Status ShardSet::check(std::uint32_t number) {
  WPACK_TRY(open(number));
  Slot& slot = slots_[number];
  if (slot.file_is_right) return {};
  const format::ShardRow row = index_.file.index.shards()[number];
  WPACK_ASSIGN(const format::Envelope envelope, read_shard_envelope(*slot.file, row));
  Status same = format::check_shard_envelope(envelope, index_.file.envelope, number, row);
  if (!same) return std::move(same).error().in(slot.file->label());
  slot.file_is_right = true;
  return {};
}

Status ShardSet::map(CheckedShard& shard) {
  Slot& slot = slots_[shard.number];
  shard.reading = chooser_.choose(*slot.file);
  if (!maps(shard.reading.choice.method)) return {};
  const std::uint64_t size = index_.file.index.shards()[shard.number].file_size;
  auto region = os::MappedRegion::map(slot.file->fd(), size);
  if (region) {
    shard.region = *std::move(region);
    shard.mapped = true;
    mapped_bytes_ += size;
    slot.file.reset();  // the mapping holds it
    --open_count_;
    return {};
  }
  Error refused = std::move(region).error().in(slot.file->label());
  if (chooser_.must_map()) return refused;
  if (mapping_refused_.empty()) mapping_refused_ = refused.message();
  chooser_.choose_without_mapping(shard.reading, refused);
  return {};
}

Result<ShardExplanation> ShardSet::explain(std::uint32_t number) {
  const std::lock_guard lock(mutex_);
  WPACK_TRY(open(number));
  const Slot& slot = slots_[number];
  const bool in_use = slot.owner != nullptr;
  ShardReading reading = in_use ? slot.owner->reading : chooser_.choose(*slot.file);
  chooser_.add_mount(*slot.file, reading);
  ReadChoice transfer = choose_copy_of(reading.file, *slot.file, {0, reading.file.size});
  return ShardExplanation{.name = format::shard_file_name(number),
                          .in_use = in_use,
                          .file = std::move(reading.file),
                          .choice = std::move(reading.choice),
                          .transfer = std::move(transfer)};
}

std::uint64_t ShardSet::mapped_bytes() const {
  const std::lock_guard lock(mutex_);
  return mapped_bytes_;
}

std::string ShardSet::mapping_refused() const {
  const std::lock_guard lock(mutex_);
  return mapping_refused_;
}

}  // namespace wpack::load
