#include "import/sharded/shard_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::import {
namespace {

using ::testing::ElementsAre;
using testing::IsOk;

// Counts how often it is told to drop its caches.
class CountingSource final : public FileSource {
 public:
  CountingSource(os::File file, int& drops)
      : FileSource(std::move(file), os::FileIdentity()), drops_(drops) {
    identity_ = *file_.identity();
  }
  [[nodiscard]] Status read(std::size_t, std::uint64_t, MutableBytes) override { return {}; }
  [[nodiscard]] Status finish(const KeepGoing& /*keep_going*/) override { return {}; }
  [[nodiscard]] std::uint64_t kept_bytes() const noexcept override { return 0; }
  void drop_caches() noexcept override { ++drops_; }

 private:
  int& drops_;
};

TEST(ShardFilesTest, DropsTheCachesOfTheShardThatIsLeft) {
  const testing::TempDir directory;
  const Folder folder(*os::open_directory(directory.path()), directory.path());
  ShardFiles shards(folder);
  std::vector<int> drops(3, 0);
  for (std::size_t i = 0; i < drops.size(); ++i) {
    const std::string name = std::to_string(i);
    ASSERT_OK_AND_ASSIGN(os::File file, os::File::open_read(directory.write(name, "x")));
    shards.add(name, std::make_unique<CountingSource>(std::move(file), drops[i]));
  }
  EXPECT_THAT(shards.use(0), IsOk());
  EXPECT_THAT(shards.use(0), IsOk());
  EXPECT_THAT(drops, ElementsAre(0, 0, 1));  // the last one that was added
  EXPECT_THAT(shards.use(0), IsOk());
  EXPECT_THAT(drops, ElementsAre(0, 0, 1));
  EXPECT_THAT(shards.use(1), IsOk());
  EXPECT_THAT(drops, ElementsAre(1, 0, 1));
  EXPECT_THAT(shards.use(0), IsOk());
  EXPECT_THAT(drops, ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace wpack::import
