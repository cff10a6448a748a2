#include "export/tied_tensors.h"

#include <gtest/gtest.h>

namespace wpack::exporting {
namespace {

constexpr std::size_t kNotTied = ExportTensor::kNotTied;

TensorInfo stored(std::uint32_t id, std::uint64_t offset, std::uint64_t nbytes,
                  std::uint32_t alias_of = TensorInfo::kNone) {
  TensorInfo info;
  info.id = id;
  info.nbytes = nbytes;
  info.offset = offset;
  info.shard = nbytes == 0 ? TensorInfo::kNone : 0;
  info.alias_of = alias_of;
  return info;
}

TEST(TiedTensorsTest, KeepsTheOffsetOfAViewInsideItsOwner) {
  const std::vector<TensorInfo> tensors = {stored(0, 4096, 100), stored(1, 4104, 92, 0),
                                           stored(2, 4096, 100, 0)};
  const auto result = find_tied_tensors(tensors);
  EXPECT_EQ(result[0].tied_to, kNotTied);
  EXPECT_EQ(result[1].tied_to, 0U);
  EXPECT_EQ(result[1].tied_offset, 8U);
  EXPECT_EQ(result[2].tied_to, 0U);
}

TEST(TiedTensorsTest, FollowsChainsToTheirEndInAnyOrder) {
  const std::vector<TensorInfo> tensors = {stored(0, 4112, 8, 1), stored(1, 4104, 92, 2),
                                           stored(2, 4096, 100)};
  const auto result = find_tied_tensors(tensors);
  EXPECT_EQ(result[0].tied_to, 2U);
  EXPECT_EQ(result[0].tied_offset, 16U);
  EXPECT_EQ(result[1].tied_to, 2U);
}

TEST(TiedTensorsTest, SurvivesTiesThatLeadNowhere) {
  const std::vector<TensorInfo> tensors = {stored(0, 4096, 8, 1), stored(1, 4096, 8, 0),
                                           stored(2, 4096, 8, 2), stored(3, 4096, 8, 99)};
  for (const ExportTensor& tensor : find_tied_tensors(tensors)) EXPECT_EQ(tensor.tied_to, kNotTied);
}

TEST(TiedTensorsTest, UntiesWhatDoesNotLieInsideItsOwner) {
  std::vector<TensorInfo> tensors = {stored(0, 4096, 100),   stored(1, 4090, 8, 0),
                                     stored(2, 4100, 97, 0), stored(3, 4096, 0, 0),
                                     stored(4, 4096, 50, 0), stored(5, 4096, 100, 0)};
  tensors[4].codec = static_cast<Codec>(7);
  tensors[5].shard = 1;
  for (const ExportTensor& tensor : find_tied_tensors(tensors)) EXPECT_EQ(tensor.tied_to, kNotTied);
}

TEST(TiedTensorsTest, KeepsWholeTiesOfCodedTensorsOnly) {
  std::vector<TensorInfo> tensors = {stored(0, 4096, 100), stored(1, 4096, 100, 0),
                                     stored(2, 4096, 50, 0)};
  for (TensorInfo& tensor : tensors) tensor.codec = static_cast<Codec>(7);
  const auto result = find_tied_tensors(tensors);
  EXPECT_EQ(result[1].tied_to, 0U);
  EXPECT_EQ(result[2].tied_to, kNotTied);
}

}  // namespace
}  // namespace wpack::exporting
