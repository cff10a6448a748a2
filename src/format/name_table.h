// Finding a row by its name: an open-addressing hash table (SPEC section 5.6), beside the list of
// rows in the order of their names that proves that every name is there once.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "format/row_view.h"
#include "format/rows.h"
#include "wpack/error.h"

namespace wpack::format {

struct NameTable {
  std::vector<std::uint32_t> by_name;  // rows, ascending by the bytes of their names
  std::vector<NameSlotRow> slots;      // a power of two, at least twice as many as names
};

// Builds the one table that the format allows for `names` (the position is the row). Names must be
// unique; returns the first duplicate (as a row) otherwise.
struct NameTableResult {
  NameTable table;
  std::optional<std::uint32_t> duplicate;
};
[[nodiscard]] NameTableResult build_name_table(std::span<const std::string_view> names);

// Returns a row's name.
using NameOfRow = std::function<std::string_view(std::uint32_t)>;

// Checks that `by_name` lists `count` rows in strictly ascending order of their names, and that
// every row can be found through `slots`, which hold nothing else. Linear. Errors: kBadInput;
// `what` names the rows.
[[nodiscard]] Status check_name_table(std::uint32_t count, const RowView<std::uint32_t>& by_name,
                                      const RowView<NameSlotRow>& slots, const NameOfRow& name_of,
                                      std::string_view what);

// Returns the row called `name`, or nullopt. O(1) for names as they come, O(log n) for names that
// were chosen to collide. The table has passed check_name_table().
[[nodiscard]] std::optional<std::uint32_t> find_name(const RowView<std::uint32_t>& by_name,
                                                     const RowView<NameSlotRow>& slots,
                                                     std::string_view name,
                                                     const NameOfRow& name_of);

}  // namespace wpack::format
