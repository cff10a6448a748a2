#include "format/name_table.h"

#include <gtest/gtest.h>

#include <string>

#include "format/checksum.h"
#include "support/colliding_bytes.h"
#include "support/result_matchers.h"

namespace wpack::format {
namespace {

using testing::Fails;
using testing::IsOk;

template <typename Row>
RowView<Row> view(const std::vector<Row>& rows) {
  return RowView<Row>(std::as_bytes(std::span(rows)));
}

class NameTableTest : public ::testing::Test {
 protected:
  NameTableTest() {
    for (int i = 0; i < 1000; ++i) names_.push_back("model.layers." + std::to_string(i) + ".w");
    views_.assign(names_.begin(), names_.end());
    table_ = build_name_table(views_).table;
  }

  Status check() const {
    return check_name_table(
        static_cast<std::uint32_t>(views_.size()), view(table_.by_name), view(table_.slots),
        [this](std::uint32_t row) { return views_[row]; }, "tensor");
  }
  std::optional<std::uint32_t> find(std::string_view name) const {
    return find_name(view(table_.by_name), view(table_.slots), name, [this](std::uint32_t row) {
      ++names_read_;
      return views_[row];
    });
  }

  std::vector<std::string> names_;
  std::vector<std::string_view> views_;
  NameTable table_;
  mutable std::size_t names_read_ = 0;
};

TEST_F(NameTableTest, FindsEveryNameAndNothingElse) {
  ASSERT_THAT(check(), IsOk());
  for (std::uint32_t i = 0; i < views_.size(); ++i) EXPECT_EQ(find(views_[i]), i);
  EXPECT_EQ(find("model.layers.1000.w"), std::nullopt);
  EXPECT_EQ(find(""), std::nullopt);
}

// Names that somebody chose so that all of them want the last slots of the table.
TEST_F(NameTableTest, FindsNamesThatWantTheSameSlots) {
  constexpr std::uint32_t kCount = 1000;
  constexpr std::uint32_t kSlots = 2048;
  names_.clear();
  for (int i = 0; names_.size() < kCount; ++i) {
    std::string name = std::to_string(i);
    if (hash64(std::as_bytes(std::span(name))) % kSlots >= kSlots - 8) names_.push_back(name);
  }
  views_.assign(names_.begin(), names_.end());
  table_ = build_name_table(views_).table;
  ASSERT_EQ(table_.slots.size(), kSlots);
  EXPECT_THAT(check(), IsOk());
  for (std::uint32_t row = 0; row < kCount; ++row) EXPECT_EQ(find(views_[row]), row);
  // The first names found their own slots, the others what was free behind them.
  for (std::uint32_t at = 0; at < kSlots; ++at)
    EXPECT_EQ(table_.slots[at].row != kNone, at < kCount - 8 || at >= kSlots - 8) << at;
}

TEST_F(NameTableTest, ReadsFewNamesWhereAllHaveOneHash) {
  constexpr std::uint32_t kCount = 1000;
  names_.clear();
  for (std::uint32_t i = 0; i < kCount; ++i) names_.push_back(testing::colliding_bytes(i));
  ASSERT_EQ(hash64(std::as_bytes(std::span(names_[0]))),
            hash64(std::as_bytes(std::span(names_[1]))));
  views_.assign(names_.begin(), names_.end());
  table_ = build_name_table(views_).table;
  ASSERT_THAT(check(), IsOk());
  for (std::uint32_t row = 0; row <= kCount; ++row) {
    names_read_ = 0;
    const bool is_there = row < kCount;
    EXPECT_EQ(find(testing::colliding_bytes(row)), is_there ? std::optional(row) : std::nullopt);
    EXPECT_LE(names_read_, 64 + 11 + 1) << row;
  }
  EXPECT_EQ(find(std::string(256, '\xFF')), std::nullopt);
}

TEST_F(NameTableTest, ReturnsTheDuplicateWhenThereIsOne) {
  const std::vector<std::string_view> names = {"b", "a", "b"};
  EXPECT_TRUE(build_name_table(names).duplicate);
}

TEST_F(NameTableTest, HoldsNoSlotsForNoNames) {
  const NameTable empty = build_name_table({}).table;
  EXPECT_TRUE(empty.slots.empty());
  EXPECT_THAT(check_name_table(0, view(empty.by_name), view(empty.slots), {}, "tensor"), IsOk());
  EXPECT_EQ(find_name(view(empty.by_name), view(empty.slots), "x", {}), std::nullopt);
}

TEST_F(NameTableTest, RejectsListsThatAreNotStrictlyAscending) {
  std::swap(table_.by_name[3], table_.by_name[4]);
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "out of order or twice"));
  table_.by_name[4] = table_.by_name[3];
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "out of order or twice"));
}

TEST_F(NameTableTest, RejectsRowsThatDoNotExist) {
  table_.by_name[3] = 1000;
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "missing tensor 1000"));
}

TEST_F(NameTableTest, RejectsTablesOfTheWrongSize) {
  table_.slots.resize(table_.slots.size() / 2);
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "slots for 1000 rows"));
}

TEST_F(NameTableTest, RejectsSlotsThatLoseARow) {
  for (NameSlotRow& slot : table_.slots) {
    if (slot.row != 17) continue;
    slot.row = kNone;
    EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
    slot.row = 18;
    EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
    slot.row = 17;
    slot.hash ^= 0x80000000U;
    EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
    return;
  }
  FAIL() << "row 17 is in no slot";
}

TEST_F(NameTableTest, RejectsFreeSlotsThatAreNotEmpty) {
  std::ranges::find(table_.slots, kNone, &NameSlotRow::row)->hash = 1;
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
}

TEST_F(NameTableTest, RejectsARowBehindAFreeSlot) {
  const auto used =
      std::ranges::find_if(table_.slots, [](const NameSlotRow& slot) { return slot.row != kNone; });
  const auto before = used == table_.slots.begin() ? table_.slots.end() : used;
  const auto free = std::find_if(std::make_reverse_iterator(before), table_.slots.rend(),
                                 [](const NameSlotRow& slot) { return slot.row == kNone; });
  ASSERT_NE(free, table_.slots.rend());
  std::swap(*free, *used);
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
}

TEST_F(NameTableTest, RejectsATableWithoutAnEmptySlot) {
  for (NameSlotRow& slot : table_.slots) slot.row = 1;
  EXPECT_THAT(check(), Fails(ErrorCode::kBadInput, "hash table"));
}

}  // namespace
}  // namespace wpack::format
