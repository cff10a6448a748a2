// What the policy says for its choice, and against the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/read_situation.h"

namespace wpack::load {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

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
