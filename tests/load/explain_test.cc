// What a container says of how it reads is what it does.
#include "wpack/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>

#include "load/test_container.h"
#include "support/child_process.h"
#include "support/page_cache.h"
#include "support/system_call_filter.h"

namespace wpack::testing {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ExplainTest : public ::testing::Test {
 protected:
  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
};

TEST_F(ExplainTest, NamesEveryShardAndTheHost) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
  ASSERT_EQ(explanation.shards.size(), 2U);
  EXPECT_EQ(explanation.shards[1].name, "00001.wps");
  EXPECT_EQ(explanation.shards[1].file.size, container.shards()[1].file_size);
  EXPECT_THAT(explanation.shards[1].file.mount, IsOk());
  EXPECT_FALSE(explanation.shards[1].choice.reasons.empty());
  EXPECT_TRUE(explanation.host.usable_cpus.has_value());
  ASSERT_EQ(explanation.host.engines.size(), 1U);
  EXPECT_EQ(explanation.host.engines[0].name, "pread");
}

TEST_F(ExplainTest, TellsWhichShardsAreInUse) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  ASSERT_THAT(container.tensor("embed.weight"), IsOk());
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
  EXPECT_TRUE(explanation.shards[0].in_use);
  EXPECT_FALSE(explanation.shards[1].in_use);
}

TEST_F(ExplainTest, MapsWhatWasJustWritten) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
  EXPECT_EQ(explanation.shards[0].choice.method, ReadMethod::kMap);
  EXPECT_EQ(explanation.shards[0].choice.engine, "");
}

TEST_F(ExplainTest, ReadsWithTheChosenEngineWhereReadingWasAskedFor) {
  ReadChoice made;
  load::Engines engines = test_engines();
  engines.make_reader = [&made](const ReadChoice& choice) {
    made = choice;
    return make_pread_reader(choice.depth);
  };
  auto container = load::open_container(path_, {.access = AccessMode::kRead}, std::move(engines));
  ASSERT_THAT(container, IsOk());
  expect_oracle(*container, builder_);
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(*container));
  const ReadChoice& choice = explanation.shards[0].choice;
  EXPECT_EQ(choice.method, ReadMethod::kBuffered);
  EXPECT_EQ(choice.engine, "pread");
  EXPECT_EQ(made.engine, choice.engine);
  EXPECT_EQ(made.depth, choice.depth);
  EXPECT_THAT(choice.refused, Contains(Field(&Refusal::reason, HasSubstr("was asked for"))));
}

// Trying one can take 50 ms.
TEST_F(ExplainTest, TriesAnEngineOnceAndOnlyWhereItMatters) {
  int tried = 0;
  load::Engines engines = test_engines();
  engines.candidates = {{"pread", [&tried] {
                           ++tried;
                           return std::optional<Error>();
                         }}};
  auto container = load::open_container(path_, {}, engines);
  ASSERT_THAT(container, IsOk());
  expect_oracle(*container, builder_);
  EXPECT_EQ(tried, 0) << "what is mapped needs no engine";
  ASSERT_THAT(explain(*container), IsOk());
  ASSERT_THAT(explain(*container), IsOk());
  EXPECT_EQ(tried, 1);
}

TEST_F(ExplainTest, SaysThatEverythingWasCheckedAtOpen) {
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(path_, {.verify = VerifyPolicy::kFull}));
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
  EXPECT_EQ(explanation.shards[0].choice.method, ReadMethod::kMap);
}

TEST_F(ExplainTest, SaysHowATransferWouldReadWhatIsMapped) {
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
  const ShardExplanation& shard = explanation.shards[0];
  EXPECT_EQ(shard.choice.method, ReadMethod::kMap);
  EXPECT_EQ(shard.transfer.method, ReadMethod::kBuffered);
  EXPECT_EQ(shard.transfer.engine, "pread");
  EXPECT_EQ(shard.transfer.fault_threads, 0U) << "its memory is not wpack's own";
  EXPECT_THAT(shard.transfer.refused, Contains(Field(&Refusal::reason, HasSubstr("other memory"))));
}

TEST_F(ExplainTest, SaysHowATransferWouldReadNowAndNotWhenTheShardWasFirstUsed) {
  for (const char* shard : {"/00000.wps", "/00001.wps"})
    ASSERT_TRUE(drop_from_page_cache(path_ + shard));
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {}));
  ASSERT_OK_AND_ASSIGN(const Explanation before, explain(container));
  if (before.shards[0].transfer.method != ReadMethod::kDirect)
    GTEST_SKIP() << "no direct reads here, or the pages are not dropped";
  expect_oracle(container, builder_);
  ASSERT_OK_AND_ASSIGN(const Explanation after, explain(container));
  EXPECT_EQ(after.shards[0].choice.method, ReadMethod::kReadInAndMap);
  EXPECT_EQ(after.shards[0].transfer.method, ReadMethod::kBuffered);
}

TEST_F(ExplainTest, ExplainsAPathAsIfItHadBeenOpenedAndCheckedAndReadsNothing) {
  const std::string shard = path_ + "/00000.wps";
  std::filesystem::resize_file(shard, std::filesystem::file_size(shard) / 2);
  const OpenOptions options{.verify = VerifyPolicy::kFull};
  EXPECT_THAT(load::open_container(path_, options, test_engines()),
              Fails(ErrorCode::kIntegrity, "00000.wps"));
  auto explanation = load::explain_container(path_, options, test_engines());
  ASSERT_THAT(explanation, IsOk());
  EXPECT_THAT(explanation->shards[0].choice.reasons,
              Contains("all bytes were read when they were checked at open"));
  EXPECT_FALSE(explanation->shards[0].in_use);
}

TEST_F(ExplainTest, CountsTheEnginesThatAShardDidWithout) {
  for (const char* shard : {"/00000.wps", "/00001.wps"})
    ASSERT_TRUE(drop_from_page_cache(path_ + shard));
  load::Engines engines = test_engines();
  engines.candidates.insert(
      engines.candidates.begin(),
      {"io_uring",
       [] { return std::optional(Error(ErrorCode::kUnsupportedHost, "io_uring is blocked")); }});
  auto container = load::open_container(path_, {.access = AccessMode::kRead}, std::move(engines));
  ASSERT_THAT(container, IsOk());
  ASSERT_OK_AND_ASSIGN(const Explanation before, explain(*container));
  EXPECT_THAT(container->stats().fallbacks, IsEmpty()) << "nothing was read yet";
  for (const ShardExplanation& shard : before.shards) {
    if (shard.choice.method != ReadMethod::kDirect)
      GTEST_SKIP() << "no direct reads here, or the pages are not dropped";
  }
  ASSERT_THAT(container->tensor("embed.weight"), IsOk());
  ASSERT_THAT(container->tensor("layers.0.up"), IsOk());
  const std::vector<Fallback> counted = container->stats().fallbacks;
  ASSERT_EQ(counted.size(), 1U);
  EXPECT_EQ(counted[0].what, "io_uring");
  EXPECT_EQ(counted[0].reason, "io_uring is blocked");
  EXPECT_EQ(counted[0].count, 1U) << "both tensors lie in one shard";
}

TEST_F(ExplainTest, CountsThatTheKernelDoesNotReadIn) {
  for (const char* shard : {"/00000.wps", "/00001.wps"})
    ASSERT_TRUE(drop_from_page_cache(path_ + shard));
  const std::string said = run_in_child([this]() -> std::string {
    block_system_calls({SYS_madvise}, EINVAL);
    auto container = open_with(path_, {});
    if (!container) return container.error().message();
    if (auto tensor = container->tensor("embed.weight"); !tensor) return tensor.error().message();
    const auto explanation = explain(*container);
    if (!explanation) return explanation.error().message();
    if (explanation->shards[0].choice.refused.empty()) return "warm";
    if (explanation->shards[0].choice.method != ReadMethod::kMap) return "read in";
    const std::vector<Fallback> counted = container->stats().fallbacks;
    return counted.size() == 1 ? counted[0].what : std::to_string(counted.size()) + " fallbacks";
  });
  if (said == "warm") GTEST_SKIP() << "this file system does not drop pages";
  EXPECT_EQ(said, "read in and map");
}

TEST_F(ExplainTest, FailsForAShardThatIsGone) {
  ContainerBuilder many;
  for (int i = 0; i < 20; ++i) {
    if (i > 0) many.new_shard();
    const std::string name = "l" + std::to_string(i);
    many.layer(name).tensor(name + ".w", pattern_bytes(100, 1));
  }
  const std::string path = many.build(directory_.path() / "many.wpack");
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {}));
  std::filesystem::remove(std::filesystem::path(path) / "00019.wps");
  EXPECT_THAT(explain(container), Fails(ErrorCode::kIo, "00019.wps"));
}

}  // namespace
}  // namespace wpack::testing
