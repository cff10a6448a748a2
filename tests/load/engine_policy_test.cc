// The policy against tables of facts: no disk is needed to know what it would do on any host.
#include "load/engine_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace wpack::load {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;

Error refusal(const char* reason) { return {ErrorCode::kUnsupportedHost, reason}; }

// A file, a host and needs: cold RAW bytes on a disk, memory enough, every engine.
struct Situation {
  HostFacts host;
  FileFacts file;
  ReadNeeds needs;

  Situation() {
    host.kernel = "6.1";
    host.usable_cpus = 8U;
    host.available_memory = 64 * kGibibyte;
    host.cgroup_memory = std::optional<CgroupMemory>();
    host.engines = {{"io_uring", std::nullopt}, {"libaio", std::nullopt}, {"pread", std::nullopt}};
    file.size = 4 * kGibibyte;
    file.file_system = FileSystemInfo{"ext4", FileSystemKind::kLocal};
    file.device_number = "8:0";
    file.device = BlockDeviceInfo{.number = "8:0", .logical_block_size = 512};
    file.direct_alignment = DirectAlignment{.offset = 512, .memory = 4};
    file.resident = std::uint64_t{0};
    needs.bytes = 8 * kGibibyte;
  }
};

using Change = std::function<void(Situation&)>;

Change together(std::vector<Change> changes) {
  return [changes = std::move(changes)](Situation& situation) {
    for (const Change& change : changes) change(situation);
  };
}
Change on(FileSystemKind kind) {
  return [kind](Situation& s) { s.file.file_system = FileSystemInfo{"some", kind}; };
}
Change processors(std::uint32_t count) {
  return [count](Situation& s) { s.host.usable_cpus = count; };
}
Change quota(double count) {
  return [count](Situation& s) { s.host.cpu_quota = std::optional<double>(count); };
}
Change aio(std::uint64_t reserved, std::uint64_t limit) {
  return [=](Situation& s) { s.host.aio_requests = AioRequests{reserved, limit}; };
}
void no_reading_in(Situation& s) { s.host.reads_mappings_in = false; }
Change resident(double share) {
  return [share](Situation& s) {
    s.file.resident = static_cast<std::uint64_t>(share * static_cast<double>(s.file.size));
  };
}
Change access(AccessMode mode) {
  return [mode](Situation& s) { s.needs.access = mode; };
}
Change budget(std::uint64_t bytes) {
  return [bytes](Situation& s) { s.needs.memory_budget = bytes; };
}
Change available(std::uint64_t bytes) {
  return [bytes](Situation& s) { s.host.available_memory = bytes; };
}
Change engines(std::vector<EngineProbe> probes) {
  return [probes = std::move(probes)](Situation& s) { s.host.engines = probes; };
}
Change cgroup(std::uint64_t limit, std::uint64_t usage, std::uint64_t reclaimable) {
  return [=](Situation& s) {
    s.host.cgroup_memory =
        std::optional<CgroupMemory>(CgroupMemory{"/g", limit, usage, reclaimable});
  };
}
void coded(Situation& s) { s.needs.coded = true; }
void device(Situation& s) { s.needs.destination = Destination::kCaller; }
void checked(Situation& s) { s.needs.checked_at_open = true; }
void mapping_refused(Situation& s) { s.needs.mapping_refused = "map of 4 bytes failed"; }
void rotational(Situation& s) { s.file.device->rotational = true; }
void nothing_known(Situation& s) {
  s.host = HostFacts();
  s.file = FileFacts();
  s.host.engines = {{"pread", std::nullopt}};
  s.file.size = 4 * kGibibyte;
}
void no_engine(Situation& s) {
  for (EngineProbe& probe : s.host.engines) probe.refused = refusal("seccomp");
}
void no_direct_input(Situation& s) { s.file.direct_alignment = refusal("no direct input"); }
void coarse_alignment(Situation& s) {
  s.file.direct_alignment = DirectAlignment{.offset = 65536, .memory = 4};
}

ReadProfile profile_of_the_disk() {
  return {.kernel = "6.1",
          .device = "8:0",
          .file_system = "ext4",
          .direct = ReadShape{"libaio", kMebibyte, 8},
          .buffered = ReadShape{"pread", 4 * kMebibyte, 2}};
}
void tuned(Situation& s) { s.needs.profile = profile_of_the_disk(); }
Change tuned_to(std::function<void(ReadProfile&)> change) {
  return [change = std::move(change)](Situation& s) {
    s.needs.profile = profile_of_the_disk();
    change(*s.needs.profile);
  };
}
Change engine_refused(std::string_view name) {
  return [name](Situation& s) {
    for (EngineProbe& probe : s.host.engines)
      if (probe.name == name) probe.refused = refusal("seccomp");
  };
}

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

ReadChoice choose(const Change& change) {
  Situation situation;
  change(situation);
  return choose_reading(situation.host, situation.file, situation.needs);
}

auto refuses(const std::string& what, const std::string& reason) {
  return Contains(::testing::AllOf(Field("what", &Refusal::what, what),
                                   Field("reason", &Refusal::reason, HasSubstr(reason))));
}

TEST(ReasonsTest, SayHowMuchIsInThePageCacheAndThatItFits) {
  const ReadChoice choice = choose(resident(0.5));
  EXPECT_THAT(choice.reasons, ElementsAre("cold: 50 % of 4096 MiB are in the page cache",
                                          "8192 MiB fit into the 65536 MiB of memory that are "
                                          "available",
                                          "a mapping is no second copy"));
  EXPECT_THAT(choice.refused, IsEmpty());
  EXPECT_THAT(choose(resident(0.999)).reasons,
              ElementsAre("warm: 99 % of 4096 MiB are in the page cache"));
}

TEST(ReasonsTest, SayWhatIsNotKnown) {
  const ReadChoice choice = choose(nothing_known);
  EXPECT_THAT(
      choice.reasons,
      ElementsAre(HasSubstr("how much is in the page cache is unknown: nobody has looked"),
                  "how much memory is available is unknown", "a mapping is no second copy"));
}

TEST(ReasonsTest, NameTheFileSystemThatIsRemote) {
  EXPECT_THAT(choose(on(FileSystemKind::kFuse)).reasons,
              Contains(HasSubstr("some: large requests")));
}

TEST(ReasonsTest, SayThatAChoiceWasAsked) {
  EXPECT_THAT(choose(together({access(AccessMode::kMap), resident(1)})).reasons,
              Contains("mapping was asked for"));
}

TEST(RefusalsTest, SayWhyBytesAreNotMapped) {
  EXPECT_THAT(choose(coded).refused, refuses("map", "have to be decoded"));
  EXPECT_THAT(choose(device).refused, refuses("map", "other memory"));
  EXPECT_THAT(choose(budget(5)).refused, refuses("map", "budget"));
  EXPECT_THAT(choose(access(AccessMode::kRead)).refused, refuses("map", "was asked for"));
  EXPECT_THAT(choose(mapping_refused).refused, refuses("map", "map of 4 bytes failed"));
}

TEST(RefusalsTest, SayHowMuchMemoryIsMissing) {
  EXPECT_THAT(choose(cgroup(4 * kGibibyte, kGibibyte, 0)).refused,
              refuses("read in and map", "8192 MiB do not fit into the 3072 MiB"));
  EXPECT_THAT(choose(together({on(FileSystemKind::kNetwork), available(kMebibyte - 1)})).refused,
              refuses("buffered reads",
                      "the 1048575 bytes that are available: mapped pages can be "
                      "taken back"));
}

TEST(RefusalsTest, SayWhyDirectReadsDoNotWork) {
  EXPECT_THAT(choose(together({coded, no_direct_input})).refused,
              refuses("direct reads", "no direct input"));
  EXPECT_THAT(choose(together({coded, coarse_alignment})).refused,
              refuses("direct reads", "aligned to 65536 bytes, and shards are to 4096"));
}

TEST(RefusalsTest, SayOfEachEngineWhyItWasPassedOverOnce) {
  const ReadChoice choice = choose(together({coded, no_engine}));
  ASSERT_EQ(choice.refused.size(), 8U);
  EXPECT_THAT(choice.refused, refuses("io_uring", "seccomp"));
  EXPECT_THAT(choice.refused,
              refuses("io_uring", "the kernel gives its buffered reads to threads"));
  EXPECT_THAT(choice.refused, refuses("libaio", "its buffered reads wait for each other"));
  EXPECT_THAT(choice.refused, refuses("pread", "seccomp"));
  EXPECT_THAT(choice.refused, refuses("direct reads", "no engine for them works here"));
  EXPECT_THAT(choice.reasons, ElementsAre("nothing else is left"));
}

TEST(RefusalsTest, SayThatAnEngineIsNotKnown) {
  EXPECT_THAT(choose(together({coded, engines({{"quantum", std::nullopt}})})).refused,
              refuses("quantum", "nothing says what it is good for"));
}

TEST(ProfileTest, IsNamedAmongTheReasonsWhereItIsFollowed) {
  const ReadChoice direct = choose(together({coded, tuned}));
  EXPECT_THAT(direct.reasons, Contains("tuned on this disk: 8 requests of 1 MiB by libaio"));
  EXPECT_THAT(direct.refused, ElementsAre(Field(&Refusal::what, "map")));
  EXPECT_THAT(choose(together({coded, tuned, no_direct_input})).reasons,
              Contains("tuned on this disk: 2 requests of 4 MiB by pread"));
}

TEST(ProfileTest, SaysThatItIsOfAnotherPlace) {
  EXPECT_THAT(choose(together({coded, tuned_to([](auto& p) { p.kernel = "6.2"; })})).refused,
              refuses("profile", "the profile is of another kernel: 6.2, and this is 6.1"));
  EXPECT_THAT(choose(together({coded, tuned_to([](auto& p) { p.device = "8:1"; })})).refused,
              refuses("profile", "of another device: 8:1, and this is 8:0"));
  EXPECT_THAT(choose(together({coded, tuned_to([](auto& p) { p.file_system = "xfs"; })})).refused,
              refuses("profile", "of another file system: xfs, and this is ext4"));
  EXPECT_THAT(choose(together({coded, tuned, nothing_known})).refused,
              refuses("profile", "the kernel here is not known"));
}

TEST(ProfileTest, SaysWhyItIsNotFollowedWhereItFits) {
  EXPECT_THAT(choose(together({coded, tuned_to([](auto& p) { p.direct.reset(); })})).refused,
              refuses("profile", "it does not say how such reads are made best"));
  EXPECT_THAT(choose(together({coded, tuned, resident(1)})).refused,
              refuses("profile", "measured on bytes that memory did not hold"));
  EXPECT_THAT(choose(together({coded, tuned, engine_refused("libaio")})).refused,
              refuses("profile", "libaio: seccomp"));
  EXPECT_THAT(choose(together({coded, tuned, engines({{"pread", std::nullopt}})})).refused,
              refuses("profile", "its engine is not there: libaio"));
  EXPECT_THAT(choose(together({coded, no_direct_input,
                               tuned_to([](auto& p) { p.buffered->engine = "io_uring"; })}))
                  .refused,
              refuses("profile", "io_uring: the kernel gives its buffered reads to threads"));
}

auto lacks(const std::string& what) {
  return Contains(::testing::AllOf(Field(&Refusal::what, what), Field(&Refusal::missing, true)));
}

TEST(RefusalsTest, TellWhatIsMissingFromWhatIsNotAsGood) {
  const ReadChoice engine = choose(together({coded, engine_refused("io_uring")}));
  EXPECT_THAT(engine.refused, lacks("io_uring"));
  EXPECT_THAT(engine.refused, Not(lacks("map"))) << "it was not wanted";
  const ReadChoice requests =
      choose(together({coded, engine_refused("io_uring"), aio(65'530, 65'536)}));
  EXPECT_THAT(requests.refused, lacks("libaio"));
  EXPECT_THAT(requests.refused,
              refuses("libaio",
                      "65530 of the 65536 requests that the host allows are reserved, "
                      "and 16 would be"));
  EXPECT_THAT(choose(together({coded, no_direct_input})).refused, lacks("direct reads"));
  const ReadChoice warm = choose(together({coded, resident(1)}));
  EXPECT_THAT(warm.refused, Each(Field(&Refusal::missing, false)));
}

TEST(RefusalsTest, SayThatTheKernelDoesNotReadIn) {
  const ReadChoice choice = choose(no_reading_in);
  EXPECT_THAT(choice.refused, refuses("read in and map", "this kernel does not bring"));
  EXPECT_THAT(choice.refused, lacks("read in and map"));
}

TEST(EnginesAfterTest, AreThoseThatSuitTheReadsAndWereNotMissing) {
  const std::vector<EngineCandidate> all = {
      {"io_uring", nullptr}, {"libaio", nullptr}, {"quantum", nullptr}, {"pread", nullptr}};
  const ReadChoice first = choose(coded);
  EXPECT_THAT(engines_after(first, all), ElementsAre("libaio", "pread"));
  const ReadChoice second = choose(together({coded, engine_refused("io_uring")}));
  EXPECT_THAT(engines_after(second, all), ElementsAre("pread")) << "io_uring was missing before";
  const ReadChoice of_profile = choose(together({coded, tuned}));
  EXPECT_THAT(engines_after(of_profile, all), ElementsAre("io_uring", "pread"));
  const ReadChoice buffered = choose(together({coded, no_direct_input}));
  EXPECT_THAT(engines_after(buffered, all), IsEmpty());
  EXPECT_THAT(engines_after(first, {}), ElementsAre("pread")) << "it needs nothing of the host";
}

// First touch as a profile has it, and the threads and the cost that come of it.
struct TouchRow {
  const char* name;
  Change change;
  std::uint32_t threads;
  std::optional<std::uint64_t> cost;
};

Change touch_of(std::optional<std::uint64_t> small, std::optional<std::uint64_t> huge) {
  return tuned_to([=](ReadProfile& p) { p.first_touch = {small, huge}; });
}
Change huge_pages(const char* mode) {
  return [mode](Situation& s) { s.host.transparent_huge_pages = std::string(mode); };
}

const TouchRow kTouchRows[] = {
    {"NotMeasured", coded, 3, std::nullopt},
    {"NotMeasuredOnTwoProcessors", together({coded, processors(2)}), 1, std::nullopt},
    {"NotMeasuredWithAQuota", together({coded, quota(1.5)}), 1, std::nullopt},
    {"KernelThatDoesNotFaultIn", together({coded, no_reading_in, touch_of(1, 2)}), 0, 2},
    {"FasterThanAnyDisk", together({coded, touch_of(300'000, 80'000)}), 1, 80'000},
    {"AsFastAsADisk", together({coded, touch_of(300'000, 170'000)}), 1, 170'000},
    {"SlowerThanADisk", together({coded, touch_of(300'000, 170'001)}), 2, 170'001},
    {"SlowerThanThreeThreads", together({coded, touch_of(300'000, 900'000)}), 3, 900'000},
    {"SlowOnTwoProcessors", together({coded, processors(2), touch_of(300'000, 900'000)}), 1,
     900'000},
    {"SmallPagesAlone", together({coded, huge_pages("never"), touch_of(90'000, 900'000)}), 1,
     90'000},
    {"HugePagesWhereAsked", together({coded, huge_pages("madvise"), touch_of(90'000, 900'000)}), 3,
     900'000},
    {"HugePagesNotMeasured", together({coded, touch_of(90'000, std::nullopt)}), 3, std::nullopt},
    {"ProfileOfAnotherPlace",
     together(
         {coded, touch_of(90'000, 80'000), [](Situation& s) { s.needs.profile->kernel = ""; }}),
     3, std::nullopt},
    {"MemoryOfTheCaller", together({device, touch_of(90'000, 80'000)}), 0, std::nullopt},
    {"Mapped", touch_of(90'000, 80'000), 0, std::nullopt},
};

class FirstTouchTest : public ::testing::TestWithParam<TouchRow> {};

TEST_P(FirstTouchTest, IsPlannedAsTheTableSays) {
  const ReadChoice choice = choose(GetParam().change);
  EXPECT_EQ(choice.fault_threads, GetParam().threads);
  EXPECT_EQ(choice.first_touch, GetParam().cost);
  EXPECT_EQ(std::ranges::any_of(choice.reasons,
                                [](const std::string& reason) {
                                  return reason.find("first touch") != std::string::npos;
                                }),
            GetParam().cost.has_value());
}

INSTANTIATE_TEST_SUITE_P(Hosts, FirstTouchTest, ::testing::ValuesIn(kTouchRows),
                         [](const auto& row) { return row.param.name; });

TEST(ReasonsTest, SayWhatTheFirstTouchOfMemoryCosts) {
  EXPECT_THAT(choose(together({coded, touch_of(1, 209'715)})).reasons,
              Contains("the first touch of memory takes one thread 0.200 s/GB: 2 threads fault it "
                       "in ahead"));
  EXPECT_THAT(choose(together({coded, touch_of(1, 104'858)})).reasons,
              Contains(HasSubstr("0.100 s/GB: 1 thread faults it in ahead")));
}

TEST(ProfileTest, IsNoMatterWhereTheKernelReads) {
  EXPECT_THAT(choose(tuned_to([](auto& p) { p.kernel = "6.2"; })).refused, IsEmpty());
}

TEST(ReportTest, IsChosenForWithAProfile) {
  Situation situation;
  situation.file.file_system = FileSystemInfo{"nfs4", FileSystemKind::kNetwork};
  ReadProfile profile = profile_of_the_disk();
  profile.file_system = "nfs4";
  const ReadChoice choice = wpack::choose_reading({situation.host, situation.file}, profile);
  EXPECT_EQ(choice.block_size, 4 * kMebibyte);
}

TEST(ReportTest, IsChosenForAsTheOnlyShard) {
  Situation situation;
  situation.file.size = 63 * kGibibyte;
  const ReadChoice choice = wpack::choose_reading({situation.host, situation.file});
  EXPECT_EQ(choice.method, ReadMethod::kMap);
  EXPECT_THAT(choice.refused, refuses("read in and map", "64512 MiB do not fit"));
}

TEST(MethodTest, HasATextForEachMethod) {
  EXPECT_EQ(to_string(ReadMethod::kMap), "map");
  EXPECT_EQ(to_string(ReadMethod::kReadInAndMap), "read in and map");
  EXPECT_EQ(to_string(ReadMethod::kDirect), "direct reads");
  EXPECT_EQ(to_string(ReadMethod::kBuffered), "buffered reads");
}

}  // namespace
}  // namespace wpack::load
