// Which shapes are measured, from facts: no disk is needed.
#include "tune/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace wpack::tuning {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Error refusal(const char* reason) { return {ErrorCode::kUnsupportedHost, reason}; }

// A large file on a disk, memory enough, every engine.
struct Situation {
  HostFacts host;
  FileFacts file;

  Situation() {
    host.engines = {{"io_uring", std::nullopt}, {"libaio", std::nullopt}, {"pread", std::nullopt}};
    file.size = std::uint64_t{4} << 30;
    file.file_system = FileSystemInfo{"ext4", FileSystemKind::kLocal};
    file.direct_alignment = DirectAlignment{.offset = 512, .memory = 4};
    file.resident = file.size;
  }
};

auto skips(const std::string& what, const std::string& reason) {
  return Contains(::testing::AllOf(Field("what", &Refusal::what, what),
                                   Field("reason", &Refusal::reason, HasSubstr(reason))));
}

TEST(ShapePlanTest, MeasuresEveryEngineAndTheDefault) {
  const Situation on_disk;
  const ShapePlan plan = plan_shapes(on_disk.host, on_disk.file);
  EXPECT_EQ(plan.direct.standard, (ReadShape{"io_uring", 2 << 20, 16})) << "as if it were cold";
  EXPECT_EQ(plan.direct.shapes.front(), plan.direct.standard);
  for (const char* engine : {"io_uring", "libaio", "pread"})
    EXPECT_THAT(plan.direct.shapes, Contains(Field(&ReadShape::engine, engine)));
  EXPECT_EQ(plan.buffered.standard, (ReadShape{"pread", 2 << 20, 4}));
  EXPECT_THAT(plan.buffered.shapes, Contains(plan.buffered.standard));
  EXPECT_THAT(plan.buffered.shapes, Each(Field(&ReadShape::engine, "pread")));
  EXPECT_THAT(plan.skipped, IsEmpty());
}

TEST(ShapePlanTest, MeasuresNoShapeTwice) {
  const Situation on_disk;
  const ShapePlan plan = plan_shapes(on_disk.host, on_disk.file);
  for (const std::vector<ReadShape>* shapes : {&plan.direct.shapes, &plan.buffered.shapes}) {
    for (const ReadShape& shape : *shapes) EXPECT_EQ(std::ranges::count(*shapes, shape), 1);
  }
}

TEST(ShapePlanTest, EveryShapeFitsIntoAProfile) {
  const Situation on_disk;
  const ShapePlan plan = plan_shapes(on_disk.host, on_disk.file);
  ReadProfile profile{.kernel = "k", .device = "8:0", .file_system = "ext4"};
  for (const ReadShape& shape : plan.direct.shapes) {
    profile.direct = shape;
    EXPECT_TRUE(parse_read_profile(to_json(profile)).has_value());
  }
}

TEST(ShapePlanTest, LeavesOutEnginesThatAreRefused) {
  Situation in_a_container;
  in_a_container.host.engines[0].refused = refusal("seccomp");
  const ShapePlan plan = plan_shapes(in_a_container.host, in_a_container.file);
  EXPECT_EQ(plan.direct.standard.engine, "libaio");
  EXPECT_THAT(plan.direct.shapes, Not(Contains(Field(&ReadShape::engine, "io_uring"))));
  EXPECT_THAT(plan.skipped,
              ElementsAre(::testing::AllOf(Field(&Refusal::what, "io_uring"),
                                           Field(&Refusal::reason, HasSubstr("seccomp")))));
}

TEST(ShapePlanTest, SaysWhyDirectReadsAreNotMeasured) {
  Situation without;
  without.file.direct_alignment = refusal("the file system refuses O_DIRECT");
  const ShapePlan plan = plan_shapes(without.host, without.file);
  EXPECT_THAT(plan.direct.shapes, IsEmpty());
  EXPECT_THAT(plan.buffered.shapes, Not(IsEmpty()));
  EXPECT_THAT(plan.skipped, skips("direct reads", "refuses O_DIRECT"));
}

TEST(ShapePlanTest, OfAServerOnlyReadsThroughThePageCacheAreMeasured) {
  Situation remote;
  remote.file.file_system = FileSystemInfo{"nfs4", FileSystemKind::kNetwork};
  const ShapePlan plan = plan_shapes(remote.host, remote.file);
  EXPECT_THAT(plan.direct.shapes, IsEmpty());
  EXPECT_EQ(plan.buffered.standard, (ReadShape{"pread", 16 << 20, 8}));
  EXPECT_THAT(plan.skipped, skips("direct reads", "through the page cache come first"));
}

TEST(ShapePlanTest, MeasuresNothingInMemory) {
  Situation in_memory;
  in_memory.file.file_system = FileSystemInfo{"tmpfs", FileSystemKind::kMemory};
  const ShapePlan plan = plan_shapes(in_memory.host, in_memory.file);
  EXPECT_THAT(plan.direct.shapes, IsEmpty());
  EXPECT_THAT(plan.buffered.shapes, IsEmpty());
  EXPECT_THAT(plan.skipped, skips("direct reads", "memory already"));
  EXPECT_THAT(plan.skipped, skips("buffered reads", "memory already"));
}

TEST(ShapePlanTest, MeasuresNothingOfASmallFile) {
  Situation small;
  small.file.size = kSmallestFile - 1;
  const ShapePlan plan = plan_shapes(small.host, small.file);
  EXPECT_THAT(plan.direct.shapes, IsEmpty());
  EXPECT_THAT(plan.buffered.shapes, IsEmpty());
  EXPECT_THAT(plan.skipped, skips("direct reads", "has 67108863 bytes: less than the 64 MiB"));
  small.file.size = kSmallestFile;
  EXPECT_THAT(plan_shapes(small.host, small.file).direct.shapes, Not(IsEmpty()));
}

TEST(ShapePlanTest, NeedsNoFactsToRefuse) {
  const ShapePlan plan = plan_shapes(HostFacts(), FileFacts());
  EXPECT_THAT(plan.direct.shapes, IsEmpty());
  EXPECT_THAT(plan.buffered.shapes, IsEmpty());
}

}  // namespace
}  // namespace wpack::tuning
