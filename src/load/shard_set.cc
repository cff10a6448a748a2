#include "load/shard_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/checked_math.h"

namespace wpack::load {
namespace {

constexpr std::uint32_t kShardsOpenedFirst = 16;

}  // namespace

Bytes CheckedShard::view(std::uint64_t offset, std::uint64_t size) const noexcept {
  if (!base::range_within(offset, size, region.bytes().size())) return {};
  return region.bytes().subspan(offset, size);
}

Result<format::Envelope> read_envelope(const os::File& file) {
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  format::EnvelopeBytes page;
  const auto front = MutableBytes(page).first(std::min<std::uint64_t>(size, page.size()));
  WPACK_TRY(file.read_exact(0, front));
  auto envelope = format::decode_envelope(front, size);
  if (!envelope) return std::move(envelope).error().in(file.label());
  return envelope;
}

ShardSet::ShardSet(const OpenedIndex& index, AccessMode access)
    : index_(index), access_(access), slots_(index.file.index.shards().size()) {}

Status ShardSet::open_first() {
  const std::lock_guard lock(mutex_);
  for (std::uint32_t i = 0; i < slots_.size() && i < kShardsOpenedFirst; ++i) {
    WPACK_ASSIGN(slots_[i].opened, open(i));
  }
  return {};
}

Result<const CheckedShard*> ShardSet::use(std::uint32_t number) {
  if (number >= slots_.size()) {
    return Error(ErrorCode::kIntegrity,
                 fmt::format("{}: index changed while it was in use", index_.label));
  }
  Slot& slot = slots_[number];
  if (const CheckedShard* shard = slot.checked.load(std::memory_order_acquire)) return shard;
  const std::lock_guard lock(mutex_);
  if (slot.owner == nullptr) {
    if (!slot.opened.valid()) {
      WPACK_ASSIGN(slot.opened, open(number));
    }
    WPACK_ASSIGN(slot.owner, check(number, slot.opened));
    slot.checked.store(slot.owner.get(), std::memory_order_release);
  }
  return slot.owner.get();
}

Result<os::File> ShardSet::open(std::uint32_t number) const {
  return os::File::open_read_at(index_.directory, format::shard_file_name(number),
                                index_.shard_label(number));
}

Result<std::unique_ptr<CheckedShard>> ShardSet::check(std::uint32_t number, os::File& file) {
  const format::ShardRow row = index_.file.index.shards()[number];
  WPACK_ASSIGN(const format::Envelope envelope, read_envelope(file));
  Status same = format::check_shard_envelope(envelope, index_.file.envelope, number, row);
  if (!same) return std::move(same).error().in(file.label());
  auto shard = std::make_unique<CheckedShard>();
  shard->file = std::move(file);
  if (Status status = map(*shard, envelope.file_size); !status) {
    file = std::move(shard->file);
    return std::move(status).error().in(file.label());
  }
  return shard;
}

Status ShardSet::map(CheckedShard& shard, std::uint64_t size) {
  if (access_ == AccessMode::kRead) return {};
  auto region = os::MappedRegion::map(shard.file.fd(), size);
  if (region) {
    shard.region = *std::move(region);
    shard.mapped = true;
    mapped_bytes_ += size;
    return {};
  }
  if (access_ == AccessMode::kMap) return std::move(region).error();
  if (mapping_refused_.empty())
    mapping_refused_ = std::move(region).error().in(shard.file.label()).message();
  return {};
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
