// What a container says of how it reads is what it does.
#include "wpack/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

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
