// The policy against tables of facts: no disk is needed to know what it would do on any host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/read_situation.h"

namespace wpack::load {
namespace {

struct Row {
  const char* name;
  Change change;
  ReadMethod method;
  const char* engine;
  std::uint64_t block_size;
  std::uint32_t depth;
};

const Row kRows[] = {
    // Bytes that may be mapped.
    {"Cold", [](Situation&) {}, ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"Warm", resident(1), ReadMethod::kMap, "", 0, 0},
    {"WarmEnough", resident(0.951), ReadMethod::kMap, "", 0, 0},
    {"NotWarmEnough", resident(0.949), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"EmptyFile", [](Situation& s) { s.file.size = 0; }, ReadMethod::kMap, "", 0, 0},
    {"CheckedAtOpen", checked, ReadMethod::kMap, "", 0, 0},
    {"Tmpfs", on(FileSystemKind::kMemory), ReadMethod::kMap, "", 0, 0},
    {"Overlay", on(FileSystemKind::kOverlay), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"UnknownType", on(FileSystemKind::kUnknown), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"NothingKnown", nothing_known, ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 2},
    {"NoEngine", no_engine, ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"ThreeProcessors", processors(3), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 3},
    {"OneProcessor", processors(1), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 2},
    {"QuotaOfOneProcessor", together({processors(64), quota(1)}), ReadMethod::kReadInAndMap, "",
     8 * kMebibyte, 2},
    {"QuotaOfABegunProcessor", together({processors(64), quota(2.1)}), ReadMethod::kReadInAndMap,
     "", 8 * kMebibyte, 3},
    {"QuotaOfATenthOfAProcessor", together({processors(64), quota(0.1)}), ReadMethod::kReadInAndMap,
     "", 8 * kMebibyte, 2},
    {"QuotaOfMoreThanThereIs", together({processors(3), quota(100)}), ReadMethod::kReadInAndMap, "",
     8 * kMebibyte, 3},
    {"NoQuota", [](Situation& s) { s.host.cpu_quota = std::optional<double>(); },
     ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"KernelThatDoesNotReadIn", no_reading_in, ReadMethod::kMap, "", 0, 0},
    {"VirtualDisk", rotational, ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"LittleMemory", available(8 * kGibibyte), ReadMethod::kMap, "", 0, 0},
    {"JustEnoughMemory", available(9 * kGibibyte), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"SmallGroup", cgroup(4 * kGibibyte, 0, 0), ReadMethod::kMap, "", 0, 0},
    {"FullGroup", cgroup(12 * kGibibyte, 6 * kGibibyte, 0), ReadMethod::kMap, "", 0, 0},
    {"GroupFullOfOldPages", cgroup(12 * kGibibyte, 6 * kGibibyte, 5 * kGibibyte),
     ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"MapAsked", access(AccessMode::kMap), ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"MapAskedWithABudget", together({access(AccessMode::kMap), budget(kGibibyte)}),
     ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    // Servers.
    {"Network", on(FileSystemKind::kNetwork), ReadMethod::kBuffered, "pread", 16 * kMebibyte, 8},
    {"Fuse", on(FileSystemKind::kFuse), ReadMethod::kBuffered, "pread", 16 * kMebibyte, 8},
    {"WarmNetwork", together({on(FileSystemKind::kNetwork), resident(1)}), ReadMethod::kMap, "", 0,
     0},
    {"NetworkWithLittleMemory", together({on(FileSystemKind::kNetwork), available(kGibibyte)}),
     ReadMethod::kMap, "", 0, 0},
    {"NetworkMapAsked", together({on(FileSystemKind::kNetwork), access(AccessMode::kMap)}),
     ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"NetworkWithoutEngines", together({on(FileSystemKind::kNetwork), no_engine}), ReadMethod::kMap,
     "", 0, 0},
    {"NetworkCoded", together({on(FileSystemKind::kNetwork), coded}), ReadMethod::kBuffered,
     "pread", 16 * kMebibyte, 8},
    // Bytes that need private memory.
    {"Coded", coded, ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"Device", device, ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"Budget", budget(kGibibyte), ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"SmallBudget", budget(8 * kMebibyte), ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 4},
    {"TinyBudget", budget(10'000), ReadMethod::kDirect, "io_uring", 8192, 1},
    {"NoBudgetAtAll", budget(0), ReadMethod::kDirect, "io_uring", 4096, 1},
    {"ReadAsked", access(AccessMode::kRead), ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"ReadAskedWarm", together({access(AccessMode::kRead), resident(1)}), ReadMethod::kBuffered,
     "pread", 2 * kMebibyte, 4},
    {"ReadAskedOnTmpfs", together({access(AccessMode::kRead), on(FileSystemKind::kMemory)}),
     ReadMethod::kBuffered, "pread", 2 * kMebibyte, 4},
    {"MappingRefused", mapping_refused, ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"CodedAndMapAsked", together({coded, access(AccessMode::kMap)}), ReadMethod::kDirect,
     "io_uring", 2 * kMebibyte, 16},
    {"CodedWithoutDirectInput", together({coded, no_direct_input}), ReadMethod::kBuffered, "pread",
     2 * kMebibyte, 4},
    {"CodedWithCoarseAlignment", together({coded, coarse_alignment}), ReadMethod::kBuffered,
     "pread", 2 * kMebibyte, 4},
    {"CodedWithoutUring",
     together({coded, engines({{"io_uring", refusal("seccomp")},
                               {"libaio", std::nullopt},
                               {"pread", std::nullopt}})}),
     ReadMethod::kDirect, "libaio", 2 * kMebibyte, 16},
    {"NoAsynchronousRequestsLeft",
     together({coded, engine_refused("io_uring"), aio(65'530, 65'536)}), ReadMethod::kDirect,
     "pread", 2 * kMebibyte, 16},
    {"MoreAsynchronousRequestsThanAreAllowed",
     together({coded, engine_refused("io_uring"), aio(7, 5)}), ReadMethod::kDirect, "pread",
     2 * kMebibyte, 16},
    {"JustEnoughAsynchronousRequests",
     together({coded, engine_refused("io_uring"), aio(65'520, 65'536)}), ReadMethod::kDirect,
     "libaio", 2 * kMebibyte, 16},
    {"AsFewAsynchronousRequestsAsTheBudgetTakes",
     together({budget(8 * kMebibyte), engine_refused("io_uring"), aio(12, 16)}),
     ReadMethod::kDirect, "libaio", 2 * kMebibyte, 4},
    {"NoAsynchronousRequestsForTheProfile", together({coded, tuned, aio(60, 64)}),
     ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"CodedWithPreadAlone", together({coded, engines({{"pread", std::nullopt}})}),
     ReadMethod::kDirect, "pread", 2 * kMebibyte, 16},
    {"CodedWithoutEngines", together({coded, no_engine}), ReadMethod::kBuffered, "pread",
     2 * kMebibyte, 4},
    {"CodedAndNothingKnown", together({nothing_known, coded}), ReadMethod::kBuffered, "pread",
     2 * kMebibyte, 4},
    {"CodedWithAnEngineOfTomorrow",
     together({coded, engines({{"quantum", std::nullopt}, {"pread", std::nullopt}})}),
     ReadMethod::kDirect, "pread", 2 * kMebibyte, 16},
    // Bytes that need private memory, on a disk that was measured.
    {"Tuned", together({coded, tuned}), ReadMethod::kDirect, "libaio", kMebibyte, 8},
    {"TunedWithASmallBudget", together({budget(4 * kMebibyte), tuned}), ReadMethod::kDirect,
     "libaio", kMebibyte, 4},
    {"TunedWithATinyBudget", together({budget(10'000), tuned}), ReadMethod::kDirect, "libaio", 8192,
     1},
    {"TunedWithoutDirectInput", together({coded, tuned, no_direct_input}), ReadMethod::kBuffered,
     "pread", 4 * kMebibyte, 2},
    {"TunedNetwork",
     together({on(FileSystemKind::kNetwork), tuned_to([](auto& p) { p.file_system = "some"; })}),
     ReadMethod::kBuffered, "pread", 4 * kMebibyte, 2},
    {"TunedAndMapped", tuned, ReadMethod::kReadInAndMap, "", 8 * kMebibyte, 4},
    {"TunedWarm", together({coded, tuned, resident(1)}), ReadMethod::kBuffered, "pread",
     2 * kMebibyte, 4},
    {"TunedOnAnotherKernel", together({coded, tuned_to([](auto& p) { p.kernel = "6.2"; })}),
     ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"TunedForBufferedReadsAlone", together({coded, tuned_to([](auto& p) { p.direct.reset(); })}),
     ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
    {"TunedToAnEngineThatIsRefused", together({coded, tuned, engine_refused("libaio")}),
     ReadMethod::kDirect, "io_uring", 2 * kMebibyte, 16},
};

class EnginePolicyTest : public ::testing::TestWithParam<Row> {};

TEST_P(EnginePolicyTest, ChoosesWhatTheTableSays) {
  Situation situation;
  GetParam().change(situation);
  const ReadChoice choice = choose_reading(situation.host, situation.file, situation.needs);
  EXPECT_EQ(to_string(choice.method), to_string(GetParam().method));
  EXPECT_EQ(choice.engine, GetParam().engine);
  EXPECT_EQ(choice.block_size, GetParam().block_size);
  EXPECT_EQ(choice.depth, GetParam().depth);
  EXPECT_FALSE(choice.reasons.empty());
}

INSTANTIATE_TEST_SUITE_P(Hosts, EnginePolicyTest, ::testing::ValuesIn(kRows),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace wpack::load
