// The command where a serving process may find itself: few open files, little memory, nothing to
// write to, no rights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/sources.h"
#include "restrictions.h"

namespace wpack::limits {
namespace {

namespace fs = std::filesystem;
using cli::Arguments;
using cli::Outcome;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::TempDir;

// 1,000 layers that fill a shard each.
constexpr std::size_t kShards = 1000;
constexpr std::uint64_t kShardBytes = 64 << 10;

std::string many_shards(const TempDir& directory, const cli::Command::ChildSetup& setup = {}) {
  const std::string source =
      directory.write("many.safetensors", cli::safetensors_header(kShards, kShardBytes) +
                                              cli::noise(kShards * kShardBytes, 1));
  const std::string target = directory.file("many.wpack");
  const Outcome packed = cli::run({"pack", source, "-o", target, "--shard-size", "68K"}, setup);
  EXPECT_EQ(packed.status, 0) << packed.err;
  return target;
}

TEST(FewOpenFilesTest, AThousandShardsArePackedReadVerifiedAndUnpacked) {
  const TempDir directory = TempDir::in_memory();
  const auto few = open_files(32);
  const std::string container = many_shards(directory, few);
  ASSERT_TRUE(fs::exists(fs::path(container) / "00999.wps"));
  for (const Arguments& arguments :
       {Arguments{"load", container},
        {"load", container, "--access", "read"},
        {"verify", container},
        {"ls", container},
        {"unpack", container, "-o", directory.file("back.safetensors")}}) {
    const Outcome outcome = cli::run(arguments, few);
    EXPECT_EQ(outcome.status, 0) << arguments[0] << ": " << outcome.err;
  }
  // The file that comes back has its tensors in another order: compare what is packed from it.
  const std::string again = directory.file("again.wpack");
  ASSERT_EQ(
      cli::run({"pack", directory.file("back.safetensors"), "-o", again, "--shard-size", "68K"},
               few)
          .status,
      0);
  for (const char* shard : {"/00000.wps", "/00500.wps", "/00999.wps"}) {
    EXPECT_TRUE(testing::read_file(container + shard).substr(4096) ==
                testing::read_file(again + shard).substr(4096))
        << shard;
  }
}

TEST(NobodyTest, ReadsWhatRootPacked) {
  if (!possible(as_nobody())) GTEST_SKIP() << "only root can become somebody else";
  const TempDir directory;
  const std::string container = cli::pack_file(directory, "m", cli::small_model());
  fs::permissions(directory.path(), fs::perms(0755));
  for (const char* command : {"load", "verify", "ls", "inspect"}) {
    const Outcome outcome = cli::run({command, container}, as_nobody());
    EXPECT_EQ(outcome.status, 0) << command << ": " << outcome.err;
  }
}

TEST(NobodyTest, IsRefusedWhereItMayNotWriteOrRead) {
  if (!possible(as_nobody())) GTEST_SKIP() << "only root can become somebody else";
  const TempDir directory;
  const std::string container = cli::pack_file(directory, "m", cli::small_model());
  fs::permissions(directory.path(), fs::perms(0755));
  const auto before = cli::tree(directory.path());
  const std::string source = directory.file("m.source");
  const std::string target = directory.file("new.wpack");
  for (const Arguments& arguments :
       {Arguments{"pack", source, "-o", target},
        {"pack", source, "-o", container, "--force"},
        {"unpack", container, "-o", directory.file("back.safetensors")}}) {
    const Outcome outcome = cli::run(arguments, as_nobody());
    EXPECT_EQ(outcome.status, 5) << outcome.err;
    EXPECT_THAT(outcome.err, EndsWith("Permission denied\n"));
  }
  fs::permissions(source, fs::perms(0600));
  const Outcome unreadable = cli::run({"pack", source, "--dry-run"}, as_nobody());
  EXPECT_EQ(unreadable.status, 5);
  EXPECT_THAT(unreadable.err, HasSubstr(source));
  EXPECT_EQ(cli::tree(directory.path()), before);
}

TEST(ReadOnlyRootTest, ContainersAreReadAndNothingIsWritten) {
  if (!possible(read_only_root({}))) GTEST_SKIP() << "no mount namespace may be made here";
  const TempDir directory;
  const std::string container = cli::pack_file(directory, "m", cli::small_model());
  const auto before = cli::tree(directory.path());
  for (const Arguments& arguments : {Arguments{"load", container},
                                     {"load", container, "--access", "read"},
                                     {"verify", container},
                                     {"ls", container},
                                     {"pack", directory.file("m.source"), "--dry-run"}}) {
    const Outcome outcome = cli::run(arguments, read_only_root({}));
    EXPECT_EQ(outcome.status, 0) << arguments[0] << ": " << outcome.err;
  }
  const Outcome refused = cli::run(
      {"pack", directory.file("m.source"), "-o", directory.file("n.wpack")}, read_only_root({}));
  EXPECT_EQ(refused.status, 5);
  EXPECT_THAT(refused.err, EndsWith("Read-only file system\n"));
  EXPECT_EQ(cli::tree(directory.path()), before);
}

TEST(ReadOnlyRootTest, PackingNeedsNothingWritableButTheTargetsFolder) {
  const TempDir directory;
  const std::string source = directory.write("m.safetensors", cli::small_model());
  fs::create_directory(directory.path() / "out");
  const auto setup = read_only_root(directory.path() / "out");
  if (!possible(setup)) GTEST_SKIP() << "no mount namespace may be made here";
  const std::string target = directory.file("out/m.wpack");
  const Outcome packed = cli::run({"pack", source, "-o", target}, setup);
  EXPECT_EQ(packed.status, 0) << packed.err;
  EXPECT_EQ(cli::run({"verify", target}).status, 0);
}

// Twice the group's memory: what is packed or mapped passes through, and is never kept.
TEST(SmallMemoryGroupTest, TwiceItsSizeIsPackedMappedVerifiedAndUnpacked) {
  constexpr std::uint64_t kLimit = std::uint64_t{256} << 20;
  const std::optional<MemoryGroup> group = MemoryGroup::make(kLimit);
  if (!group || !possible(group->member())) GTEST_SKIP() << "no memory control group for this user";
  const TempDir directory;
  constexpr std::size_t kTensors = 16;
  constexpr std::uint64_t kTensorBytes = kLimit * 2 / kTensors;
  const std::string source =
      directory.write("m.safetensors", cli::safetensors_header(kTensors, kTensorBytes));
  {
    std::ofstream out(source, std::ios::app | std::ios::binary);
    std::string bytes = cli::noise(kTensorBytes, 1);
    for (std::size_t i = 0; i < kTensors; ++i, bytes[0] = static_cast<char>(i)) out << bytes;
    ASSERT_TRUE(out.flush());
  }
  const std::string container = directory.file("m.wpack");
  const std::string back = directory.file("back.safetensors");
  for (const Arguments& arguments : {Arguments{"pack", source, "-o", container},
                                     {"load", container},
                                     {"load", container, "--budget", "96MiB"},
                                     {"verify", container},
                                     {"unpack", container, "-o", back}}) {
    const Outcome outcome = cli::run(arguments, group->member());
    EXPECT_EQ(outcome.status, 0) << arguments[0] << ": " << outcome.err;
  }
  EXPECT_EQ(fs::file_size(back), fs::file_size(source));
  EXPECT_LE(group->peak(), kLimit);
}

}  // namespace
}  // namespace wpack::limits
