// Every length that a file of a container can be cut to, lengths that it can grow to, and pages of
// zeros in place of its own.
#include "damage/damaged_container.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kMagicSize = 8;
constexpr std::uint64_t kPage = 4096;

class SizeTest : public DamagedContainerTest {
 protected:
  // What opening, using in both access modes, and verifying say.
  [[nodiscard]] std::vector<Outcome> outcomes() const {
    return {open_outcome(path_), use_outcome(path_, AccessMode::kMap),
            use_outcome(path_, AccessMode::kRead), verify_outcome(path_)};
  }
  static std::vector<Outcome> all(ErrorCode code) { return {code, code, code, code}; }
  // Found at the first use of the shard.
  static std::vector<Outcome> of_shard() {
    return {Outcome(), ErrorCode::kIntegrity, ErrorCode::kIntegrity, ErrorCode::kIntegrity};
  }
  [[nodiscard]] static std::vector<Outcome> expected_of(const std::string& name) {
    return name == "index.wpi" ? all(ErrorCode::kIntegrity) : of_shard();
  }
};

TEST_F(SizeTest, FindsEveryTruncationOfTheIndexAtOpen) {
  const FileInPlace index(file("index.wpi"));
  for (std::uint64_t size = index.size(); size-- > 0;) {
    index.resize(size);
    const auto code = size < kMagicSize ? ErrorCode::kBadInput : ErrorCode::kIntegrity;
    ASSERT_EQ(open_outcome(path_), code) << size;
    ASSERT_EQ(verify_outcome(path_), code) << size;
  }
}

TEST_F(SizeTest, FindsEveryTruncationOfAShardAtItsFirstUse) {
  for (const char* name : {"00000.wps", "00001.wps"}) {
    const FileInPlace shard(file(name));
    for (std::uint64_t size = shard.size(); size-- > 0;) {
      shard.resize(size);
      ASSERT_EQ(use_outcome(path_, AccessMode::kMap), ErrorCode::kIntegrity)
          << name << " of " << size;
      ASSERT_EQ(verify_outcome(path_), ErrorCode::kIntegrity) << name << " of " << size;
      if (size % 256 == 0) {
        ASSERT_EQ(outcomes(), of_shard()) << name << " of " << size;
      }
    }
    shard.restore();
  }
  EXPECT_EQ(outcomes(), std::vector<Outcome>(4));
}

TEST_F(SizeTest, FindsEveryFileThatGrew) {
  for (const char* name : kDamagedFiles) {
    const FileInPlace changed(file(name));
    for (const std::uint64_t growth :
         {std::uint64_t{1}, std::uint64_t{8}, kPage - 1, kPage, kPage + 1, 2 * kPage, 100 * kPage,
          std::uint64_t{1} << 32U}) {
      changed.resize(changed.size() + growth);
      EXPECT_EQ(outcomes(), expected_of(name)) << name << " by " << growth;
      changed.restore();
    }
  }
  EXPECT_EQ(outcomes(), std::vector<Outcome>(4));
}

TEST_F(SizeTest, FindsEveryPageOfZeros) {
  const std::string zeros(kPage, '\0');
  for (const char* name : kDamagedFiles) {
    const FileInPlace changed(file(name));
    for (std::uint64_t page = 0; page < changed.size() / kPage; ++page) {
      changed.write(page * kPage, zeros.data(), zeros.size());
      const bool no_index = std::string(name) == "index.wpi" && page == 0;
      EXPECT_EQ(outcomes(), no_index ? all(ErrorCode::kBadInput) : expected_of(name))
          << name << ", page " << page;
      changed.restore();
    }
  }
  EXPECT_EQ(outcomes(), std::vector<Outcome>(4));
}

TEST_F(SizeTest, FindsPagesThatChangedPlaces) {
  for (const char* name : kDamagedFiles) {
    const FileInPlace changed(file(name));
    ASSERT_EQ(changed.size(), 2 * kPage);
    changed.write(0, changed.bytes().data() + kPage, kPage);
    changed.write(kPage, changed.bytes().data(), kPage);
    const bool no_index = std::string(name) == "index.wpi";
    EXPECT_EQ(outcomes(), no_index ? all(ErrorCode::kBadInput) : of_shard()) << name;
    changed.restore();
  }
}

}  // namespace
}  // namespace wpack::testing
