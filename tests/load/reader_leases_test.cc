#include "load/reader_leases.h"

#include <gtest/gtest.h>

#include <set>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

using load::ReaderLeases;

class ReaderLeasesTest : public ::testing::Test {
 protected:
  // Engines of which one fails as `refusal` says, and that remember what was asked of them.
  load::Engines engines() {
    load::Engines made = test_engines();
    made.make_reader = [this](const ReadChoice& choice) -> Result<std::unique_ptr<AsyncReader>> {
      asked_.push_back(choice.engine + " " + std::to_string(choice.depth));
      if (refusal_ && choice.engine != "pread") return *refusal_;
      if (refused_.contains(choice.engine))
        return Error(ErrorCode::kLimit, choice.engine + " is gone");
      if (refusal_of_pread_ && choice.engine == "pread") return *refusal_of_pread_;
      return make_pread_reader(1);
    };
    return made;
  }

  static ReadChoice choice_of(const char* engine, std::uint32_t depth) {
    ReadChoice choice;
    choice.engine = engine;
    choice.depth = depth;
    return choice;
  }

  std::vector<std::string> asked_;
  std::set<std::string> refused_;
  std::optional<Error> refusal_;
  std::optional<Error> refusal_of_pread_;
  load::Engines engines_ = engines();
  load::Fallbacks fallbacks_;
  ReaderLeases leases_{engines_, fallbacks_};
};

TEST_F(ReaderLeasesTest, UsesAReaderAgainForTheSameChoiceOnly) {
  for (const char* engine : {"pread", "pread", "io_uring", "io_uring"})
    ASSERT_THAT(leases_.borrow(choice_of(engine, 4)), IsOk());
  EXPECT_EQ(asked_, (std::vector<std::string>{"pread 4", "io_uring 4"}));
  EXPECT_TRUE(fallbacks_.counted().empty());
}

TEST_F(ReaderLeasesTest, TakesPreadWhereTheChosenEngineIsGoneAndCountsIt) {
  refusal_ = Error(ErrorCode::kUnsupportedHost, "io_uring is blocked");
  for (int i = 0; i < 3; ++i) ASSERT_THAT(leases_.borrow(choice_of("io_uring", 16)), IsOk());
  refusal_ = Error(ErrorCode::kLimit, "no request is left");
  ASSERT_THAT(leases_.borrow(choice_of("libaio", 2)), IsOk());
  EXPECT_EQ(asked_, (std::vector<std::string>{"io_uring 16", "pread 8", "io_uring 16",
                                              "io_uring 16", "libaio 2", "pread 2"}));
  const std::vector<Fallback> counted = fallbacks_.counted();
  ASSERT_EQ(counted.size(), 2U);
  EXPECT_EQ(counted[0].what, "io_uring");
  EXPECT_EQ(counted[0].reason, "io_uring is blocked");
  EXPECT_EQ(counted[0].count, 3U);
  EXPECT_EQ(counted[1].what, "libaio");
  EXPECT_EQ(counted[1].count, 1U);
}

class EngineWalkTest : public ReaderLeasesTest {
 protected:
  EngineWalkTest() {
    engines_.candidates.clear();
    for (const char* name : {"io_uring", "libaio", "pread"})
      engines_.candidates.push_back({name, [] { return std::optional<Error>(); }});
  }
  static ReadChoice direct_choice_of(const char* engine) {
    ReadChoice choice = choice_of(engine, 16);
    choice.method = ReadMethod::kDirect;
    choice.direct = DirectAlignment{.offset = 512, .memory = 512};
    return choice;
  }
};

TEST_F(EngineWalkTest, TakesTheNextBestEngineFirst) {
  refused_ = {"io_uring"};
  ASSERT_THAT(leases_.borrow(direct_choice_of("io_uring")), IsOk());
  EXPECT_EQ(asked_, (std::vector<std::string>{"io_uring 16", "libaio 16"}));
  ASSERT_EQ(fallbacks_.counted().size(), 1U);
  EXPECT_EQ(fallbacks_.counted()[0].reason, "io_uring is gone");
}

TEST_F(EngineWalkTest, CountsEveryEngineOnItsWayToTheLast) {
  refused_ = {"io_uring", "libaio"};
  ASSERT_THAT(leases_.borrow(direct_choice_of("io_uring")), IsOk());
  EXPECT_EQ(asked_, (std::vector<std::string>{"io_uring 16", "libaio 16", "pread 8"}));
  const std::vector<Fallback> counted = fallbacks_.counted();
  ASSERT_EQ(counted.size(), 2U);
  EXPECT_EQ(counted[0].what, "io_uring");
  EXPECT_EQ(counted[1].what, "libaio");
  EXPECT_EQ(counted[1].reason, "libaio is gone");
}

TEST_F(EngineWalkTest, LeavesOutWhatTheChoiceFoundMissing) {
  refused_ = {"libaio"};
  ReadChoice choice = direct_choice_of("libaio");
  choice.refused = {{.what = "io_uring", .reason = "seccomp", .missing = true}};
  ASSERT_THAT(leases_.borrow(choice), IsOk());
  EXPECT_EQ(asked_, (std::vector<std::string>{"libaio 16", "pread 8"}));
}

TEST_F(EngineWalkTest, TakesNoEngineThatWouldReadThroughThePageCacheWorse) {
  refused_ = {"pread"};
  ReadChoice choice = choice_of("pread", 4);
  choice.method = ReadMethod::kBuffered;
  EXPECT_THAT(leases_.borrow(choice), Fails(ErrorCode::kLimit, "pread is gone"));
  EXPECT_EQ(asked_, (std::vector<std::string>{"pread 4"}));
  EXPECT_THAT(leases_.borrow(direct_choice_of("pread")), IsOk()) << "io_uring reads past it";
}

TEST_F(EngineWalkTest, ReportsTheLastFailureWhereNoneIsLeft) {
  refused_ = {"io_uring", "libaio", "pread"};
  EXPECT_THAT(leases_.borrow(direct_choice_of("io_uring")),
              Fails(ErrorCode::kLimit, "pread is gone"));
}

TEST_F(ReaderLeasesTest, TakesTheChosenEngineAgainWhenItIsBack) {
  refusal_ = Error(ErrorCode::kLimit, "no request is left");
  ASSERT_THAT(leases_.borrow(choice_of("libaio", 4)), IsOk());
  refusal_.reset();
  ASSERT_THAT(leases_.borrow(choice_of("libaio", 4)), IsOk());
  EXPECT_EQ(asked_.back(), "libaio 4");
  EXPECT_EQ(fallbacks_.counted().front().count, 1U);
}

TEST_F(ReaderLeasesTest, ReportsWhatNoOtherEngineWouldMend) {
  refusal_ = Error(ErrorCode::kInvalidArgument, "depth is too large");
  EXPECT_THAT(leases_.borrow(choice_of("io_uring", 16)),
              Fails(ErrorCode::kInvalidArgument, "depth is too large"));
  EXPECT_TRUE(fallbacks_.counted().empty());
}

TEST_F(ReaderLeasesTest, ReportsAFailureOfPreadItself) {
  refusal_ = Error(ErrorCode::kUnsupportedHost, "io_uring is blocked");
  refusal_of_pread_ = Error(ErrorCode::kLimit, "no thread could be started");
  EXPECT_THAT(leases_.borrow(choice_of("io_uring", 16)), Fails(ErrorCode::kLimit, "no thread"));
  EXPECT_THAT(leases_.borrow(choice_of("pread", 16)), Fails(ErrorCode::kLimit, "no thread"));
}

TEST(FallbacksTest, CountsReasonsBeyondTheFirstTogether) {
  load::Fallbacks fallbacks;
  for (std::size_t i = 0; i < 100; ++i) fallbacks.count("engine", std::to_string(i));
  fallbacks.count("engine", "0");
  const std::vector<Fallback> counted = fallbacks.counted();
  ASSERT_EQ(counted.size(), load::Fallbacks::kMaxReasons + 1);
  EXPECT_EQ(counted.front().count, 2U);
  EXPECT_EQ(counted.back().reason, "other reasons");
  EXPECT_EQ(counted.back().count, 100 - load::Fallbacks::kMaxReasons);
}

}  // namespace
}  // namespace wpack::testing
