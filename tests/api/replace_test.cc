// Replacing a container that others have open: they keep reading what they opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "support/memory_source.h"
#include "support/open_file_limit.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/container.h"
#include "wpack/pack.h"
#include "wpack/verify.h"

namespace wpack::testing {
namespace {

using ::testing::UnorderedElementsAre;

constexpr std::uint32_t kOpenedFirst = 16;  // shards; the rest are opened when they are used
constexpr std::uint32_t kManyShards = kOpenedFirst + 4;

// One tensor a layer, one layer a shard. `version` tells the bytes of two models apart.
struct Model {
  Model(std::uint64_t version, std::uint32_t shards) {
    for (std::uint32_t i = 0; i < shards; ++i)
      source.add("layers." + std::to_string(i) + ".w", pattern_bytes(40'000, 1000 * version + i));
  }
  [[nodiscard]] Bytes bytes(std::uint32_t id) const { return source.bytes(id); }

  MemorySource source;
};

Result<PackReport> write(Model& model, const std::string& path) {
  return pack(model.source, path, {.shard_size = 64 << 10, .replace = true});
}

// What is wrong with a container that should hold `model`, or "".
std::string difference(const Container& container, const Model& model) {
  for (std::uint32_t id = 0; id < model.source.description().tensors.size(); ++id) {
    const auto tensor = container.tensor(model.source.description().tensors[id].name);
    if (!tensor) return tensor.error().message();
    if (!std::ranges::equal(tensor->bytes(), model.bytes(id)))
      return "other bytes in " + std::string(tensor->name());
    const Layer layer = container.layer(id);
    const auto view = layer.acquire();
    if (!view) return view.error().message();
    if (!std::ranges::equal(view->tensors().front().bytes(), model.bytes(id)))
      return "other bytes in layer " + std::string(layer.name());
  }
  return "";
}

std::vector<std::string> entries(const TempDir& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
    names.push_back(entry.path().filename().string());
  return names;
}

class ReplaceTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  [[nodiscard]] Result<Container> open(std::optional<VerifyPolicy> verify = {}) const {
    return Container::open(path_, {.verify = verify, .access = GetParam()});
  }

  TempDir directory_;
  std::string path_ = directory_.file("m.wpack");
};

INSTANTIATE_TEST_SUITE_P(Access, ReplaceTest,
                         ::testing::Values(AccessMode::kMap, AccessMode::kRead),
                         [](const auto& test) {
                           return test.param == AccessMode::kMap ? "Mapped" : "Read";
                         });

TEST_P(ReplaceTest, KeepsReadingShardsThatAreFirstUsedAfterwards) {
  Model old_model(1, kManyShards);
  Model new_model(2, kManyShards);
  ASSERT_OK_AND_ASSIGN(const PackReport first, write(old_model, path_));
  ASSERT_EQ(first.shard_count, kManyShards);
  for (const VerifyPolicy verify : {VerifyPolicy::kIndex, VerifyPolicy::kTouch}) {
    ASSERT_THAT(write(old_model, path_), IsOk());
    ASSERT_OK_AND_ASSIGN(const Container container, open(verify));
    ASSERT_OK_AND_ASSIGN(const LayerView held, container.layer(0).acquire());
    ASSERT_THAT(write(new_model, path_), IsOk());
    ASSERT_THAT(write(new_model, path_), IsOk()) << "sweeps what the first replacing left";
    EXPECT_EQ(difference(container, old_model), "");
    EXPECT_TRUE(std::ranges::equal(held.tensors().front().bytes(), old_model.bytes(0)));
    ASSERT_OK_AND_ASSIGN(const Container current, open(verify));
    EXPECT_EQ(difference(current, new_model), "");
  }
}

TEST_P(ReplaceTest, KeepsTheOldFilesOnlyWhileSomebodyMayOpenThem) {
  Model model(1, kManyShards);
  ASSERT_THAT(write(model, path_), IsOk());
  std::string kept;
  {
    ASSERT_OK_AND_ASSIGN(const Container container, open());
    ASSERT_OK_AND_ASSIGN(const PackReport report, write(model, path_));
    ASSERT_TRUE(report.kept);
    kept = *report.kept;
    EXPECT_THAT(entries(directory_), UnorderedElementsAre("m.wpack", kept));
    const Container copy = container;
    ASSERT_OK_AND_ASSIGN(const PackReport another, write(model, path_));
    EXPECT_TRUE(another.swept.empty());
    EXPECT_FALSE(another.kept) << "nobody has the second one open";
  }
  ASSERT_OK_AND_ASSIGN(const PackReport report, write(model, path_));
  EXPECT_EQ(report.swept, std::vector<std::string>{kept});
  EXPECT_THAT(entries(directory_), UnorderedElementsAre("m.wpack"));
}

TEST_P(ReplaceTest, KeepsNoFilesOfAContainerWhoseShardsAreAllOpen) {
  Model old_model(1, kOpenedFirst);
  Model new_model(2, kOpenedFirst);
  ASSERT_THAT(write(old_model, path_), IsOk());
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  ASSERT_OK_AND_ASSIGN(const PackReport report, write(new_model, path_));
  EXPECT_FALSE(report.kept);
  EXPECT_THAT(entries(directory_), UnorderedElementsAre("m.wpack"));
  EXPECT_EQ(difference(container, old_model), "");
}

// A quarter of what may be open is the shards', and no more of them stay open.
TEST_P(ReplaceTest, KeepsTheOldFilesWhereFewFilesMayBeOpen) {
  Model old_model(1, 10);
  Model new_model(2, 10);
  ASSERT_THAT(write(old_model, path_), IsOk());
  const auto container = [&] {
    const OpenFileLimit few(24);
    return open(VerifyPolicy::kIndex);
  }();
  ASSERT_THAT(container, IsOk());
  ASSERT_OK_AND_ASSIGN(const PackReport report, write(new_model, path_));
  EXPECT_TRUE(report.kept);
  EXPECT_EQ(difference(*container, old_model), "");
}

// Nobody should do that to a container in use; if they do, bytes are right or there is an error.
TEST_P(ReplaceTest, ReadsWhatIsOpenWhenTheDirectoryIsRemovedAndNamesWhatIsNot) {
  Model model(1, kManyShards);
  ASSERT_THAT(write(model, path_), IsOk());
  ASSERT_OK_AND_ASSIGN(const Container container, open());
  std::filesystem::remove_all(path_);
  for (std::uint32_t id = 0; id < kManyShards; ++id) {
    const auto tensor = container.tensor(id);
    if (id < kOpenedFirst) {
      ASSERT_THAT(tensor, IsOk());
      EXPECT_TRUE(std::ranges::equal(tensor->bytes(), model.bytes(id)));
    } else {
      const std::string shard = "m.wpack/000" + std::to_string(id) + ".wps: open failed";
      EXPECT_THAT(tensor, Fails(ErrorCode::kIo, shard));
      EXPECT_THAT(container.layer(id).acquire(), Fails(ErrorCode::kIo, shard));
    }
  }
}

TEST_P(ReplaceTest, LetsReadersThatOpenMeanwhileSeeOneOfTheTwoWhole) {
  Model models[] = {{1, kManyShards}, {2, kManyShards}};
  Uuid uuids[2];
  for (int version : {0, 1}) {
    ASSERT_OK_AND_ASSIGN(const PackReport report, write(models[version], path_));
    uuids[version] = report.uuid;
  }
  std::atomic<bool> ended = false;
  std::atomic<int> rounds = 0;
  const auto read = [&]() -> std::string {
    const auto container = open();
    if (!container) return container.error().message();
    const std::string wrong =
        difference(*container, models[container->info().uuid == uuids[0] ? 0 : 1]);
    if (!wrong.empty()) return wrong;
    const auto report = verify(path_);
    if (!report) return report.error().message();
    return report->faults.empty() ? "" : report->faults.front().message();
  };
  std::vector<std::string> wrong(3);
  std::vector<std::thread> readers;
  for (std::string& message : wrong) {
    readers.emplace_back([&read, &ended, &rounds, &message] {
      while (!ended && message.empty()) {
        message = read();
        ++rounds;
      }
    });
  }
  std::string writer;
  for (int i = 0; i < 100 && writer.empty() && (i < 6 || rounds < 30); ++i) {
    const auto report = write(models[i % 2], path_);
    if (!report) writer = report.error().message();
  }
  ended = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_EQ(writer, "");
  for (const std::string& message : wrong) EXPECT_EQ(message, "");
  ASSERT_THAT(write(models[0], path_), IsOk());
  EXPECT_THAT(entries(directory_), UnorderedElementsAre("m.wpack"));
}

}  // namespace
}  // namespace wpack::testing
