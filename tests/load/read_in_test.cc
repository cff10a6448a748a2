// Layers that are not in the page cache: several threads read them in.
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "load/test_container.h"
#include "support/page_cache.h"
#include "wpack/explain.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kSize = std::uint64_t{20} << 20;

class ReadInTest : public ::testing::Test {
 protected:
  void SetUp() override {
    builder_.layer("a").tensor("a.w", pattern_bytes(kSize, 1));
    builder_.layer("b").tensor("b.w", pattern_bytes(300'000, 2));
    path_ = builder_.build(directory_.path() / "m.wpack");
    shard_ = path_ + "/00000.wps";
    ASSERT_TRUE(drop_from_page_cache(shard_));
    ASSERT_OK_AND_ASSIGN(container_, open_with(path_, {.readahead_layers = 1}));
    ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(*container_));
    if (explanation.shards[0].choice.method != ReadMethod::kReadInAndMap)
      GTEST_SKIP() << "this file system does not drop pages";
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
  std::string shard_;
  std::optional<Container> container_;
};

TEST_F(ReadInTest, BringsTheBytesThatWerePutIn) {
  expect_oracle(*container_, builder_);
  ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(*container_));
  EXPECT_EQ(explanation.shards[0].choice.method, ReadMethod::kReadInAndMap)
      << "what the first use chose stays, now that the bytes are there";
  EXPECT_EQ(container_->stats().read_bytes, 0U) << "nothing is copied";
}

TEST_F(ReadInTest, ServesSeveralCallersAtOnce) {
  std::vector<std::thread> callers;
  std::vector<Status> ends(4);
  for (Status& end : ends) {
    callers.emplace_back([this, &end] {
      for (const Layer& layer : container_->layers()) {
        if (auto view = layer.acquire(); !view) end = std::move(view).error();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const Status& end : ends) EXPECT_THAT(end, IsOk());
}

TEST_F(ReadInTest, NamesTheForemostPieceThatIsGone) {
  ASSERT_THAT(container_->tensor("b.w"), IsOk());
  std::filesystem::resize_file(shard_, std::uint64_t{9} << 20);
  ASSERT_OK_AND_ASSIGN(const Layer layer, container_->layer("a"));
  const auto view = layer.acquire();
  if (view) GTEST_SKIP() << "this kernel has no MADV_POPULATE_READ";
  EXPECT_THAT(view, Fails(ErrorCode::kIo, "00000.wps: read-in of 8388608 bytes at offset " +
                                              std::to_string(layer.info().range.begin + 8388608)));
}

}  // namespace
}  // namespace wpack::testing
