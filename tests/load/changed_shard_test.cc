// Shards that shrink, or that another file replaces, after they were used.
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <csignal>
#include <string>

#include "load/engine_cases.h"
#include "load/test_container.h"
#include "support/child_process.h"
#include "support/open_file_limit.h"
#include "support/sanitizer.h"
#include "wpack/transfer.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;

class ChangedShardTest : public ::testing::TestWithParam<EngineCase> {
 protected:
  ChangedShardTest() {
    builder_.layer("a").tensor("a", pattern_bytes(300'000, 1));
    builder_.layer("b").tensor("b", pattern_bytes(5 << 20, 2));
  }

  // Makes the container, opens it and uses its shard.
  void use(VerifyPolicy verify) {
    const fs::path parent = directory_.path() / std::to_string(static_cast<int>(verify));
    fs::create_directory(parent);
    path_ = ContainerBuilder(builder_).build(parent / "m.wpack");
    shard_ = path_ + "/00000.wps";
    prepare(path_, GetParam());
    const OpenOptions options{.verify = verify, .access = AccessMode::kRead, .readahead_layers = 0};
    ASSERT_OK_AND_ASSIGN(container_, load::open_container(path_, options, engines_of(GetParam())));
    ASSERT_OK_AND_ASSIGN(view_, container_->layer(0).acquire());
    if (const std::string reason = obstacle(*container_, GetParam()); !reason.empty())
      GTEST_SKIP() << reason;
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
  std::string shard_;
  std::optional<Container> container_;
  std::optional<LayerView> view_;
};

INSTANTIATE_TEST_SUITE_P(Engines, ChangedShardTest, ::testing::ValuesIn(kEngineCases),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(ChangedShardTest, NamesShardAndOffsetWhereItWasTruncated) {
  for (const VerifyPolicy verify : {VerifyPolicy::kIndex, VerifyPolicy::kTouch}) {
    use(verify);
    if (IsSkipped() || HasFailure()) return;
    fs::resize_file(shard_, 2 << 20);
    const auto is_named = Fails(ErrorCode::kIo, "m.wpack/00000.wps: file ends at offset ");
    EXPECT_THAT(container_->layer(1).acquire(), is_named);
    EXPECT_THAT(container_->tensor("b"), is_named);
    EXPECT_THAT(container_->slice("b", 0, 100, (5 << 20) - 100), is_named);
    std::vector<std::byte> out(5 << 20);
    EXPECT_THAT(read_tensor(*container_, 1, out), is_named);
    fs::resize_file(shard_, 4096);
    EXPECT_TRUE(holds(view_->tensors()[0], builder_.oracle().at("a"))) << "what was read stays";
    container_->layer(0).release();
    view_.reset();
    EXPECT_EQ(container_->stats().memory_bytes, 0U);
  }
}

TEST_P(ChangedShardTest, ReadsTheOldBytesWhereAnotherFileTookItsPlace) {
  use(VerifyPolicy::kTouch);
  if (IsSkipped() || HasFailure()) return;
  const std::string other = directory_.write("other", std::string(6 << 20, 'x'));
  fs::rename(other, shard_);
  expect_oracle(*container_, builder_);
}

TEST(ReopenedShardTest, IsRefusedWhereAnotherFileTookItsPlace) {
  constexpr std::uint32_t kShards = 6;  // more than stay open
  const TempDir directory;
  ContainerBuilder builder;
  for (std::uint32_t i = 0; i < kShards; ++i) {
    if (i > 0) builder.new_shard();
    builder.layer(std::to_string(i)).tensor(std::to_string(i), pattern_bytes(10'000, i));
  }
  const std::string path = builder.build(directory.path() / "m.wpack");
  const OpenFileLimit few(20);
  ASSERT_OK_AND_ASSIGN(const Container container, open_with(path, {.access = AccessMode::kRead}));
  for (std::uint32_t i = 0; i < kShards; ++i) ASSERT_THAT(container.tensor(i), IsOk());
  fs::copy_file(path + "/00001.wps", path + "/other");
  fs::rename(path + "/other", path + "/00000.wps");
  EXPECT_THAT(container.tensor("0"),
              Fails(ErrorCode::kIntegrity, "00000.wps: is shard 1 of 6, expected shard 0"));
}

TEST(ShrunkMappingTest, EndsWhoTouchesALostPageBySigbus) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer takes the signal";
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("a", pattern_bytes(300'000, 1));
  const std::string path = builder.build(directory.path() / "m.wpack");
  const std::string end = run_in_child([&]() -> std::string {
    (void)::prctl(PR_SET_DUMPABLE, 0);  // no core file
    const auto container = open_with(path, {.access = AccessMode::kMap, .readahead_layers = 0});
    if (!container) return container.error().message();
    const auto tensor = container->tensor("a");
    if (!tensor) return tensor.error().message();
    fs::resize_file(path + "/00000.wps", 4096);
    const volatile std::byte& last = tensor->bytes().back();
    return "read a byte: " + std::to_string(static_cast<int>(last));
  });
  EXPECT_EQ(end, "killed by signal " + std::to_string(SIGBUS));
}

}  // namespace
}  // namespace wpack::testing
