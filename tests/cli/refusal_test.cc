// What the command refuses: the exit status is pinned, stderr is exactly one line that says what
// and why, stdout stays empty (or valid JSON), and no file appears, vanishes or changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sources.h"

namespace wpack::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using testing::TempDir;

// Files that are refused, and some that are not. `@` in an argument stands for their directory.
class Fixture {
 public:
  Fixture() {
    (void)directory_.write("m.safetensors", small_model());
    (void)directory_.write("no-tensors.safetensors", safetensors_file({}));
    (void)directory_.write("garbage.bin", noise(10'000, 7));
    (void)directory_.write("empty.bin", "");
    (void)directory_.write("cut.safetensors", small_model().substr(0, small_model().size() - 1));
    (void)directory_.write("cut-header.safetensors", small_model().substr(0, 20));
    (void)directory_.write("precious.safetensors", "precious");
    (void)directory_.write("evil\x1b[2J\n.bin", "evil");
    (void)directory_.write("cut.pth", std::string("PK\x03\x04", 4) + noise(100, 8));
    fs::create_directory(directory_.file("folder"));
    (void)::mkfifo(directory_.file("fifo").c_str(), 0600);
    fs::create_symlink("nowhere", directory_.file("dangling"));
    add_containers();
  }

  [[nodiscard]] const fs::path& path() const { return directory_.path(); }

  [[nodiscard]] Arguments expand(Arguments arguments) const {
    for (std::string& argument : arguments) {
      if (!argument.empty() && argument.front() == '@') {
        argument = path().string() + argument.substr(1);
      }
    }
    return arguments;
  }

 private:
  void add_containers() {
    (void)pack_file(directory_, "m", small_model());
    fs::remove(directory_.file("m.source"));
    const auto copy = [&](const char* name) {
      fs::copy(directory_.file("m.wpack"), directory_.file(name), fs::copy_options::recursive);
      return directory_.file(name);
    };
    damage(copy("bad-index.wpack") + "/index.wpi", 4096 + 100);
    damage(copy("bad-index-envelope.wpack") + "/index.wpi", 100);
    damage(copy("bad-magic.wpack") + "/index.wpi", 0);
    fs::resize_file(copy("cut-index.wpack") + "/index.wpi", 4096);
    fs::resize_file(copy("empty-index.wpack") + "/index.wpi", 0);
    fs::remove(copy("no-index.wpack") + "/index.wpi");
    damage(copy("bad-payload.wpack") + "/00000.wps", 4096 + 10);
    damage(copy("bad-shard-envelope.wpack") + "/00000.wps", 100);
    fs::resize_file(copy("cut-shard.wpack") + "/00000.wps", 4096);
    fs::remove(copy("no-shard.wpack") + "/00000.wps");
    add_container_with_strange_files();
  }

  void add_container_with_strange_files() {
    const std::string foreign =
        pack_file(directory_, "foreign", safetensors_file({{"x", "U8", {300}, noise(300, 9)}}));
    fs::remove(directory_.file("foreign.source"));
    const auto copy = [&](const char* name) {
      fs::copy(directory_.file("m.wpack"), directory_.file(name), fs::copy_options::recursive);
      return directory_.file(name);
    };
    const fs::path swapped = copy("foreign-shard.wpack");
    fs::copy_file(foreign + "/00000.wps", swapped / "00000.wps",
                  fs::copy_options::overwrite_existing);
    const fs::path linked = copy("linked-shard.wpack");
    fs::remove(linked / "00000.wps");
    fs::create_symlink("../m.wpack/00000.wps", linked / "00000.wps");
  }

  TempDir directory_;
};

struct Refusal {
  const char* name;
  int status;
  Arguments arguments;
  const char* part;
};

void expect_one_error_line(const Outcome& outcome, const Refusal& refusal) {
  EXPECT_EQ(outcome.status, refusal.status) << outcome.err;
  EXPECT_THAT(outcome.err, StartsWith("wpack: error: "));
  EXPECT_THAT(outcome.err, HasSubstr(refusal.part));
  EXPECT_LE(outcome.err.size(), 4096U);
  ASSERT_FALSE(outcome.err.empty());
  EXPECT_EQ(outcome.err.back(), '\n');
  for (const char byte : outcome.err.substr(0, outcome.err.size() - 1)) {
    EXPECT_GE(static_cast<unsigned char>(byte), 0x20) << outcome.err;
  }
}

void expect_refusal(const Fixture& fixture, const Refusal& refusal) {
  SCOPED_TRACE(refusal.name);
  const Outcome outcome = run(fixture.expand(refusal.arguments));
  expect_one_error_line(outcome, refusal);
  if (refusal.arguments.front() != "verify") {
    EXPECT_EQ(outcome.out, "");
  }
  Arguments with_json = fixture.expand(refusal.arguments);
  with_json.insert(with_json.begin() + 1, "--json");
  const Outcome json = run(with_json);
  expect_one_error_line(json, refusal);
  EXPECT_TRUE(json.out.empty() || nlohmann::json::accept(json.out)) << json.out;
}

// One set of files serves all refusals, as none of them may change it.
void expect_refusals(const std::vector<Refusal>& refusals) {
  const Fixture fixture;
  auto before = tree(fixture.path());
  for (const Refusal& refusal : refusals) {
    expect_refusal(fixture, refusal);
    auto after = tree(fixture.path());
    EXPECT_EQ(after, before) << refusal.name;
    before = std::move(after);
  }
}

const std::vector<Refusal> kPackRefusals = {
    Refusal{"MissingSource", 5, {"pack", "@/none.pth", "-o", "@/out"}, "none.pth"},
    Refusal{"EmptyPath", 5, {"pack", "", "-o", "@/out"}, "No such file"},
    Refusal{"DanglingLink", 5, {"pack", "@/dangling", "-o", "@/out"}, "dangling"},
    Refusal{"Folder", 3, {"pack", "@/folder", "-o", "@/out"}, "folder"},
    Refusal{"Fifo", 3, {"pack", "@/fifo", "-o", "@/out"}, "FIFO"},
    Refusal{"Device", 3, {"pack", "/dev/zero", "-o", "@/out"}, "/dev/zero"},
    Refusal{"Garbage", 3, {"pack", "@/garbage.bin", "-o", "@/out"}, "garbage.bin"},
    Refusal{"EmptyFile", 3, {"pack", "@/empty.bin", "-o", "@/out"}, "empty.bin"},
    Refusal{"EvilName", 3, {"pack", "@/evil\x1b[2J\n.bin", "-o", "@/out"}, "\\x1b[2J\\x0a"},
    Refusal{"CutPayload", 3, {"pack", "@/cut.safetensors", "-o", "@/out"}, "cut.safetensors"},
    Refusal{"CutHeader", 3, {"pack", "@/cut-header.safetensors", "-o", "@/out"}, "cut-header"},
    Refusal{"NoTensors",
            3,
            {"pack", "@/no-tensors.safetensors", "-o", "@/out"},
            "no-tensors.safetensors: there is no tensor"},
    Refusal{"CutZip", 3, {"pack", "@/cut.pth", "-o", "@/out"}, "cut.pth"},
    Refusal{"AContainer", 3, {"pack", "@/m.wpack", "-o", "@/out"}, "m.wpack"},
    Refusal{"AShard", 3, {"pack", "@/m.wpack/00000.wps", "-o", "@/out"}, "00000.wps"},
    Refusal{"ExistingTarget", 5, {"pack", "@/m.safetensors", "-o", "@/m.wpack"}, "exists"},
    Refusal{
        "ExistingFile", 5, {"pack", "@/m.safetensors", "-o", "@/precious.safetensors"}, "precious"},
    Refusal{"ForcedOverAFile",
            5,
            {"pack", "@/m.safetensors", "--force", "-o", "@/precious.safetensors"},
            "precious"},
    Refusal{"NoTargetFolder", 5, {"pack", "@/m.safetensors", "-o", "@/none/out"}, "none"},
    Refusal{"ReadOnlyTarget", 5, {"pack", "@/m.safetensors", "-o", "/proc/out.wpack"}, "/proc"},
    Refusal{
        "SmallShards", 2, {"pack", "@/m.safetensors", "-o", "@/out", "--shard-size", "1"}, "shard"},
    Refusal{"HugeShards",
            2,
            {"pack", "@/m.safetensors", "-o", "@/out", "--shard-size", "999T"},
            "shard"},
    Refusal{"IncludesNothing",
            2,
            {"pack", "@/m.safetensors", "-o", "@/out", "--include", "zzz*"},
            "zzz*"},
    Refusal{"ExcludesNothing",
            2,
            {"pack", "@/m.safetensors", "-o", "@/out", "--exclude", "zzz*"},
            "zzz*"},
    Refusal{"BadLayerPattern",
            2,
            {"pack", "@/m.safetensors", "-o", "@/out", "--layer-pattern", "a..b"},
            "a..b"},
    Refusal{"DryRunOfGarbage", 3, {"pack", "@/garbage.bin", "--dry-run"}, "garbage.bin"}};

TEST(RefusalTest, RejectsWhatCannotBePacked) { expect_refusals(kPackRefusals); }

const std::vector<Refusal> kReadRefusals = {
    Refusal{"LsMissing", 5, {"ls", "@/none.wpack"}, "none.wpack"},
    Refusal{"LsFile", 3, {"ls", "@/m.safetensors"}, "m.safetensors"},
    Refusal{"LsFifo", 3, {"ls", "@/fifo"}, "fifo"},
    Refusal{"LsFolder", 5, {"ls", "@/folder"}, "index.wpi"},
    Refusal{"LsNoIndex", 5, {"ls", "@/no-index.wpack"}, "index.wpi"},
    Refusal{"LsBadIndex", 4, {"ls", "@/bad-index.wpack"}, "index.wpi"},
    Refusal{"LsBadEnvelope", 4, {"ls", "@/bad-index-envelope.wpack"}, "index.wpi"},
    Refusal{"LsBadMagic", 3, {"ls", "@/bad-magic.wpack"}, "index.wpi"},
    Refusal{"LsCutIndex", 4, {"ls", "@/cut-index.wpack"}, "index.wpi"},
    Refusal{"LsEmptyIndex", 3, {"ls", "@/empty-index.wpack"}, "index.wpi"},
    Refusal{"LsNoMatch", 2, {"ls", "@/m.wpack", "zzz*"}, "no tensor matches 'zzz*'"},
    Refusal{"LsNoLayer", 2, {"ls", "@/m.wpack", "--layers", "zzz"}, "no layer matches 'zzz'"},
    Refusal{"InspectMissing", 5, {"inspect", "@/none"}, "none"},
    Refusal{"InspectFifo", 3, {"inspect", "@/fifo"}, "FIFO"},
    Refusal{"InspectGarbage", 3, {"inspect", "@/garbage.bin"}, "garbage.bin"},
    Refusal{"InspectEmpty", 3, {"inspect", "@/empty.bin"}, "empty.bin"},
    Refusal{
        "InspectBadEnvelope", 4, {"inspect", "@/bad-index-envelope.wpack/index.wpi"}, "index.wpi"},
    Refusal{"InspectCutShard", 4, {"inspect", "@/cut-shard.wpack/00000.wps"}, "00000.wps"},
    Refusal{"VerifyMissing", 5, {"verify", "@/none"}, "none"},
    Refusal{"VerifyBadIndex", 4, {"verify", "@/bad-index.wpack"}, "index.wpi"},
    Refusal{"VerifyBadPayload", 4, {"verify", "@/bad-payload.wpack"}, "embed_tokens"},
    Refusal{"VerifyBadShardEnvelope", 4, {"verify", "@/bad-shard-envelope.wpack"}, "00000.wps"},
    Refusal{"VerifyCutShard", 4, {"verify", "@/cut-shard.wpack"}, "00000.wps"},
    Refusal{"VerifyNoShard", 5, {"verify", "@/no-shard.wpack"}, "00000.wps"},
    Refusal{"VerifyForeignShard", 4, {"verify", "@/foreign-shard.wpack"}, "00000.wps"},
    Refusal{"VerifyLinkedShard", 5, {"verify", "@/linked-shard.wpack"}, "symbolic link"}};

TEST(RefusalTest, RejectsWhatCannotBeListedOrVerified) { expect_refusals(kReadRefusals); }

const std::vector<Refusal> kLoadRefusals = {
    Refusal{"Missing", 5, {"load", "@/none"}, "none"},
    Refusal{"NoLayer", 2, {"load", "@/m.wpack", "--layer", "zzz"}, "zzz"},
    Refusal{"NoShard", 5, {"load", "@/no-shard.wpack"}, "00000.wps"},
    Refusal{"CutShard", 4, {"load", "@/cut-shard.wpack"}, "00000.wps"},
    Refusal{"ForeignShard", 4, {"load", "@/foreign-shard.wpack"}, "00000.wps"},
    Refusal{"BadShardEnvelope", 4, {"load", "@/bad-shard-envelope.wpack"}, "00000.wps"},
    Refusal{"BadPayloadThatIsRead",
            4,
            {"load", "@/bad-payload.wpack", "--access", "read"},
            "embed_tokens"},
    Refusal{"BadPayloadThatIsMapped",
            4,
            {"load", "@/bad-payload.wpack", "--access", "map", "--verify", "touch"},
            "embed_tokens"},
    Refusal{"BadPayloadElsewhere",
            4,
            {"load", "@/bad-payload.wpack", "--verify", "full", "--layer", "model.layers.0"},
            "embed_tokens"}};

TEST(RefusalTest, RejectsWhatCannotBeLoaded) { expect_refusals(kLoadRefusals); }

const std::vector<Refusal> kUnpackRefusals = {
    Refusal{"Missing", 5, {"unpack", "@/none", "-o", "@/out.pth"}, "none"},
    Refusal{"NoExtension", 2, {"unpack", "@/m.wpack", "-o", "@/out"}, "out"},
    Refusal{"ExistingTarget", 5, {"unpack", "@/m.wpack", "-o", "@/precious.safetensors"}, "exists"},
    Refusal{"TargetIsAFolder",
            5,
            {"unpack", "@/m.wpack", "-o", "@/folder", "--format", "torch", "--force"},
            "folder"},
    Refusal{"NoTargetFolder", 5, {"unpack", "@/m.wpack", "-o", "@/none/out.pth"}, "none"},
    Refusal{"BadPayload",
            4,
            {"unpack", "@/bad-payload.wpack", "-o", "@/out.safetensors"},
            "embed_tokens"},
    Refusal{"NoShard", 5, {"unpack", "@/no-shard.wpack", "-o", "@/out.safetensors"}, "00000.wps"}};

TEST(RefusalTest, RejectsWhatCannotBeUnpacked) { expect_refusals(kUnpackRefusals); }

// Makes `system_call` fail with EINVAL in this process and what it becomes.
void deny(unsigned system_call) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(filter), .filter = filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(125);
  }
}

TEST(UnsupportedHostTest, RejectsReplacingWhereNamesCannotBeExchanged) {
  const Fixture fixture;
  const auto before = tree(fixture.path());
  const Outcome outcome =
      run(fixture.expand({"pack", "@/m.safetensors", "--force", "-o", "@/foreign.wpack"}),
          [] { deny(SYS_renameat2); });
  if (outcome.status == 125) GTEST_SKIP() << "seccomp filters are not allowed here";
  expect_one_error_line(outcome, {"", 7, {}, "foreign.wpack"});
  EXPECT_EQ(tree(fixture.path()), before);
}

}  // namespace
}  // namespace wpack::cli
