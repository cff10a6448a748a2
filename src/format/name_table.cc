#include "format/name_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "format/checksum.h"
#include "wpack/text.h"

namespace wpack::format {
namespace {

// Names can be chosen so that all of them want the same few slots: beyond so many, which names that
// were not hardly ever need, the list by name is faster.
constexpr std::uint32_t kMaxProbes = 64;

std::uint32_t name_hash(std::string_view name) {
  return static_cast<std::uint32_t>(hash64(std::as_bytes(std::span(name))));
}

std::uint32_t slot_count(std::size_t names) {
  return std::bit_ceil(static_cast<std::uint32_t>(names) * 2);
}

// Which slots are free. Names can be chosen so that all of them want the same few slots: looking at
// one slot after the other would then take time in the square of their number.
class FreeSlots {
 public:
  explicit FreeSlots(std::uint32_t count) : next_(count), mask_(count - 1) {
    std::iota(next_.begin(), next_.end(), 0U);
  }

  // Takes the first free slot from `home` on, wrapping round, and returns it. There is one.
  std::uint32_t take_from(std::uint32_t home) {
    std::uint32_t at = home & mask_;
    while (next_[at] != at) {
      next_[at] = next_[next_[at]];
      at = next_[at];
    }
    next_[at] = (at + 1) & mask_;
    return at;
  }

 private:
  std::vector<std::uint32_t> next_;  // a free slot itself, a used one some slot further on
  std::uint32_t mask_;
};

// Every used slot must be reachable from its home: no empty slot between the two. Walking the
// table once, starting behind an empty slot, `run` is the number of used slots just before.
bool every_slot_reachable(const RowView<NameSlotRow>& slots) {
  const std::uint32_t mask = slots.size() - 1;
  std::uint32_t start = 0;
  while (start < slots.size() && slots[start].row != kNone) ++start;
  if (start == slots.size()) return false;
  std::uint32_t run = 0;
  for (std::uint32_t step = 1; step <= slots.size(); ++step) {
    const std::uint32_t at = (start + step) & mask;
    const NameSlotRow slot = slots[at];
    if (slot.row == kNone) {
      run = 0;
      continue;
    }
    if (((at - slot.hash) & mask) > run) return false;
    ++run;
  }
  return true;
}

// True if the slots hold each row exactly once, beside the hash of its name, and nothing else.
bool holds_each_row_once(std::span<const std::uint32_t> hashes, const RowView<NameSlotRow>& slots) {
  std::vector<bool> seen(hashes.size(), false);
  std::size_t used = 0;
  for (std::uint32_t at = 0; at < slots.size(); ++at) {
    const NameSlotRow slot = slots[at];
    if (slot.row == kNone) {
      if (slot.hash != 0) return false;
      continue;
    }
    if (slot.row >= hashes.size() || seen[slot.row] || slot.hash != hashes[slot.row]) return false;
    seen[slot.row] = true;
    ++used;
  }
  return used == hashes.size();
}

// In the order of the rows, in which their names lie in memory.
std::vector<std::uint32_t> hashes_of_names(std::uint32_t count, const NameOfRow& name_of) {
  std::vector<std::uint32_t> hashes(count);
  for (std::uint32_t row = 0; row < count; ++row) hashes[row] = name_hash(name_of(row));
  return hashes;
}

std::optional<std::uint32_t> search_by_name(const RowView<std::uint32_t>& by_name,
                                            std::string_view name, const NameOfRow& name_of) {
  std::uint32_t begin = 0;
  std::uint32_t end = by_name.size();
  while (begin < end) {
    const std::uint32_t middle = begin + (end - begin) / 2;
    const std::uint32_t row = by_name[middle];
    const auto order = name_of(row) <=> name;
    if (order == 0) return row;
    if (order < 0) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return std::nullopt;
}

}  // namespace

NameTableResult build_name_table(std::span<const std::string_view> names) {
  NameTableResult result;
  std::vector<std::uint32_t>& by_name = result.table.by_name;
  by_name.resize(names.size());
  std::iota(by_name.begin(), by_name.end(), 0U);
  std::ranges::sort(by_name, {}, [&](std::uint32_t row) { return names[row]; });
  const auto equal =
      std::ranges::adjacent_find(by_name, {}, [&](std::uint32_t row) { return names[row]; });
  if (equal != by_name.end()) {
    result.duplicate = *equal;
    return result;
  }
  if (names.empty()) return result;
  std::vector<NameSlotRow>& slots = result.table.slots;
  slots.resize(slot_count(names.size()));
  FreeSlots free(static_cast<std::uint32_t>(slots.size()));
  for (std::uint32_t row = 0; row < names.size(); ++row) {
    const std::uint32_t hash = name_hash(names[row]);
    slots[free.take_from(hash)] = {hash, row};
  }
  return result;
}

Status check_name_table(std::uint32_t count, const RowView<std::uint32_t>& by_name,
                        const RowView<NameSlotRow>& slots, const NameOfRow& name_of,
                        std::string_view what) {
  const std::uint32_t expected_slots = count == 0 ? 0 : slot_count(count);
  if (by_name.size() != count || slots.size() != expected_slots) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("index lists {} {} names in {} slots for {} rows", by_name.size(),
                             what, slots.size(), count));
  }
  std::string_view previous;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t row = by_name[i];
    if (row >= count) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("index lists the missing {} {} by name", what, row));
    }
    const std::string_view name = name_of(row);
    if (i > 0 && previous >= name) {
      return Error(ErrorCode::kBadInput,
                   fmt::format("index lists {} names out of order or twice at '{}'", what,
                               escape_name(name)));
    }
    previous = name;
  }
  if (count == 0) return {};
  if (!holds_each_row_once(hashes_of_names(count, name_of), slots) ||
      !every_slot_reachable(slots)) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("index has a hash table that is not that of its {} names", what));
  }
  return {};
}

std::optional<std::uint32_t> find_name(const RowView<std::uint32_t>& by_name,
                                       const RowView<NameSlotRow>& slots, std::string_view name,
                                       const NameOfRow& name_of) {
  if (slots.size() == 0) return std::nullopt;
  const std::uint32_t hash = name_hash(name);
  const std::uint32_t mask = slots.size() - 1;
  for (std::uint32_t step = 0; step < std::min(slots.size(), kMaxProbes); ++step) {
    const NameSlotRow slot = slots[(hash + step) & mask];
    if (slot.row == kNone) return std::nullopt;
    if (slot.hash == hash && name_of(slot.row) == name) return slot.row;
  }
  return search_by_name(by_name, name, name_of);
}

}  // namespace wpack::format
