// In which order contestants run, and how the memory that they find is known.
#include "bench_rounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "bench_balloon.h"
#include "support/temp_dir.h"

namespace wpack::cli {
namespace {

using ::testing::ElementsAre;
using testing::TempDir;

// How often each of `count` entries ran at each turn, and right after each other one.
struct Balance {
  explicit Balance(std::size_t count) {
    const std::size_t rounds = count % 2 == 0 ? count : 2 * count;
    for (std::size_t round = 0; round < rounds; ++round) {
      for (std::size_t turn = 0; turn < count; ++turn) {
        const std::size_t entry = entry_at(static_cast<int>(round), turn, count);
        ++at_turn[{entry, turn}];
        if (turn > 0) ++after[{entry_at(static_cast<int>(round), turn - 1, count), entry}];
      }
    }
  }
  std::map<std::pair<std::size_t, std::size_t>, int> at_turn;
  std::map<std::pair<std::size_t, std::size_t>, int> after;
};

TEST(TurnTest, LetsEveryEntryRunAtEveryTurnAndAfterEveryOtherEquallyOften) {
  for (const std::size_t count : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 12U}) {
    const Balance balance(count);
    const int times = count % 2 == 0 ? 1 : 2;
    EXPECT_EQ(balance.at_turn.size(), count * count) << count;
    EXPECT_EQ(balance.after.size(), count * (count - 1)) << count;
    for (const auto& [entry, seen] : balance.at_turn) EXPECT_EQ(seen, times) << count;
    for (const auto& [pair, seen] : balance.after) EXPECT_EQ(seen, times) << count;
  }
}

TEST(TurnTest, GoesOnAfterTheLastBalancedRound) {
  std::set<std::size_t> entries;
  for (std::size_t turn = 0; turn < 5; ++turn) entries.insert(entry_at(997, turn, 5));
  EXPECT_THAT(entries, ElementsAre(0, 1, 2, 3, 4));
}

class BalloonTest : public ::testing::Test {
 protected:
  void add_device(const std::string& name, const std::string& type, const std::string& features) {
    const std::string device = directory_.file(name);
    std::filesystem::create_directory(device);
    std::ofstream(device + "/device") << type << "\n";
    std::ofstream(device + "/features") << features << "\n";
  }

  TempDir directory_;
};

TEST_F(BalloonTest, TakesPagesBackWhereItReportsThem) {
  add_device("virtio0", "0x0002", "1111111111111111");
  EXPECT_FALSE(host_takes_pages_back(directory_.path().string())) << "a disk is no balloon";
  add_device("virtio1", "0x0005", "0110000000000000");
  EXPECT_FALSE(host_takes_pages_back(directory_.path().string()))
      << "a balloon that reports nothing";
  add_device("virtio2", "0x0005", "0110010100000000");
  EXPECT_TRUE(host_takes_pages_back(directory_.path().string()));
}

TEST_F(BalloonTest, TakesNothingBackWhereTheKernelSaysNothing) {
  EXPECT_FALSE(host_takes_pages_back(directory_.file("missing")));
  EXPECT_FALSE(host_takes_pages_back(directory_.path().string()));
  add_device("virtio0", "0x0005", "01100");
  EXPECT_FALSE(host_takes_pages_back(directory_.path().string())) << "too few features";
}

}  // namespace
}  // namespace wpack::cli
