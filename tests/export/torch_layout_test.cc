#include "export/torch_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "export/memory_tensors.h"
#include "support/result_matchers.h"

namespace wpack::exporting {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::IsOk;
using ::testing::Not;

Result<TorchLayout> plan(const std::vector<MemoryTensor>& tensors,
                         const std::vector<MetadataEntry>& metadata = {}) {
  const std::vector<ExportTensor> described = describe(tensors);
  return plan_torch({described, metadata}, "model");
}

std::vector<std::string> names_of(const TorchLayout& layout) {
  std::vector<std::string> names;
  for (const ZipMember& member : layout.members) names.push_back(member.name);
  return names;
}

MemoryTensor f32(const std::string& name, std::uint64_t count) {
  return {
      .name = name, .dtype = DType::kF32, .shape = {count}, .bytes = std::string(count * 4, 'x')};
}

TEST(TorchLayoutTest, PutsEveryStorageInARecordOfItsOwn) {
  ASSERT_OK_AND_ASSIGN(const TorchLayout layout, plan({f32("a", 2), f32("b", 0), f32("c", 3)}));
  EXPECT_THAT(names_of(layout), ElementsAre("model/data.pkl", "model/byteorder", "model/data/0",
                                            "model/data/1", "model/data/2", "model/version"));
  EXPECT_THAT(layout.member_of, ElementsAre(2, 3, 4));
  EXPECT_EQ(layout.members[4].size, 12U);
  EXPECT_EQ(layout.contents[5], "3\n");
}

TEST(TorchLayoutTest, KeepsTiedTensorsInOneStorage) {
  MemoryTensor whole = f32("tied", 3);
  whole.tied_to = 1;
  MemoryTensor part = f32("part", 1);
  part.tied_to = 1;
  part.tied_offset = 8;
  ASSERT_OK_AND_ASSIGN(const TorchLayout layout, plan({whole, f32("owner", 3), part}));
  EXPECT_THAT(layout.member_of, ElementsAre(TorchLayout::kNoMember, 2, TorchLayout::kNoMember));
  EXPECT_EQ(layout.members.size(), 4U);
  EXPECT_THAT(layout.contents[0], Not(HasSubstr("_rebuild_tensor_v3")));
}

TEST(TorchLayoutTest, GivesAViewBetweenElementsItsOwnStorage) {
  MemoryTensor part = f32("part", 1);
  part.tied_to = 0;
  part.tied_offset = 2;
  ASSERT_OK_AND_ASSIGN(const TorchLayout layout, plan({f32("owner", 3), part}));
  EXPECT_THAT(layout.member_of, ElementsAre(2, 3));
}

TEST(TorchLayoutTest, MakesStoragesOfSeveralElementTypesUntyped) {
  MemoryTensor other{
      .name = "i", .dtype = DType::kI32, .shape = {3}, .bytes = std::string(12, 'x'), .tied_to = 0};
  ASSERT_OK_AND_ASSIGN(const TorchLayout layout, plan({f32("f", 3), other}));
  EXPECT_THAT(layout.contents[0], HasSubstr("torch.storage\nUntypedStorage\n"));
  EXPECT_THAT(layout.contents[0], HasSubstr("ctorch\nfloat32\n"));
  EXPECT_THAT(layout.contents[0], HasSubstr("ctorch\nint32\n"));
  EXPECT_THAT(layout.contents[0], Not(HasSubstr("FloatStorage")));
}

TEST(TorchLayoutTest, WritesEveryElementTypeThatPyTorchRebuildsFromBytes) {
  for (const DTypeInfo& row : all_dtypes()) {
    const auto layout = plan({{.name = "w", .dtype = row.dtype, .shape = {0}}});
    if (row.torch_name.empty() || row.torch_name.starts_with("q")) {
      EXPECT_THAT(layout, Fails(ErrorCode::kBadInput,
                                "tensor \"w\": a PyTorch checkpoint cannot hold element type " +
                                    std::string(row.name)));
    } else {
      EXPECT_THAT(layout, IsOk()) << row.name;
    }
  }
}

TEST(TorchLayoutTest, RejectsElementTypesOfNewerContainers) {
  EXPECT_THAT(plan({{.name = "\x1b", .dtype = static_cast<DType>(999), .shape = {0}}}),
              Fails(ErrorCode::kBadInput, "tensor \"\\x1b\""));
}

TEST(TorchLayoutTest, RejectsDimensionsThatPyTorchCannotCount) {
  constexpr std::uint64_t kTooLarge = std::uint64_t{1} << 63;
  EXPECT_THAT(plan({{.name = "w", .dtype = DType::kF32, .shape = {0, kTooLarge - 1}}}), IsOk());
  EXPECT_THAT(plan({{.name = "w", .dtype = DType::kF32, .shape = {0, kTooLarge}}}),
              Fails(ErrorCode::kBadInput, "tensor \"w\": a PyTorch checkpoint cannot hold a dim"));
}

MetadataEntry entry(const std::string& key, const std::string& value, MetadataType type) {
  return {.key = key, .value = value, .type = type, .origin = MetadataOrigin::kCheckpoint};
}

TEST(TorchLayoutTest, KeepsCheckpointMetadataAsWhatItWas) {
  ASSERT_OK_AND_ASSIGN(
      const TorchLayout layout,
      plan({}, {entry("s", "text", MetadataType::kString), entry("i", "-2", MetadataType::kInteger),
                entry("f", "0.5", MetadataType::kFloat), entry("b", "true", MetadataType::kBool),
                entry("n", "", MetadataType::kNone)}));
  EXPECT_THAT(layout.contents[0], HasSubstr("X\x01\0\0\0sX\x04\0\0\0text"s));
  EXPECT_THAT(layout.contents[0], HasSubstr("X\x01\0\0\0i\x8a\x01\xfe"s));
  EXPECT_THAT(layout.contents[0], HasSubstr("X\x01\0\0\0fG\x3f\xe0\0\0\0\0\0\0"s));
  EXPECT_THAT(layout.contents[0], HasSubstr("X\x01\0\0\0b\x88"s));
  EXPECT_THAT(layout.contents[0], HasSubstr("X\x01\0\0\0nN"s));
}

TEST(TorchLayoutTest, LeavesOutMetadataOfSafetensorsAndOfTakenNames) {
  ASSERT_OK_AND_ASSIGN(const TorchLayout layout,
                       plan({f32("w", 1)}, {entry("w", "taken", MetadataType::kString),
                                            {.key = "format", .value = "pt"}}));
  EXPECT_THAT(layout.contents[0], Not(HasSubstr("taken")));
  EXPECT_THAT(layout.contents[0], Not(HasSubstr("format")));
}

TEST(TorchLayoutTest, RejectsMetadataThatIsNotOfItsType) {
  EXPECT_THAT(plan({}, {entry("k", "x", MetadataType::kInteger)}),
              Fails(ErrorCode::kBadInput, "metadata \"k\": \"x\" is not an integer"));
  EXPECT_THAT(plan({}, {entry("k", "1.5x", MetadataType::kFloat)}),
              Fails(ErrorCode::kBadInput, "metadata \"k\": \"1.5x\" is not a number"));
  EXPECT_THAT(plan({}, {entry("k", "", static_cast<MetadataType>(99))}),
              Fails(ErrorCode::kBadInput, "kind of value"));
}

TEST(ArchiveNameTest, ReturnsTheStemOfPlainNamesAndArchiveForOthers) {
  EXPECT_EQ(archive_name_of("/x.y/model-1.2_a.pth"), "model-1.2_a");
  EXPECT_EQ(archive_name_of("model"), "model");
  EXPECT_EQ(archive_name_of("gr\xc3\xb6\xc3\x9f"
                            "e.pt"),
            "archive");
  EXPECT_EQ(archive_name_of(".pt"), "archive");
  EXPECT_EQ(archive_name_of("..pt"), "archive");
  EXPECT_EQ(archive_name_of("a b.pt"), "archive");
  EXPECT_EQ(archive_name_of(std::string(201, 'a') + ".pt"), "archive");
}

}  // namespace
}  // namespace wpack::exporting
