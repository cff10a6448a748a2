// What each command refuses of good and of broken files, and of its own arguments.
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>

#include "cli/sources.h"
#include "refusals/host.h"
#include "refusals/judge.h"
#include "support/checkpoint_builder.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using cli::damage;
using cli::noise;
using cli::safetensors_file;
using cli::small_model;

// Files that are refused, and some that are not.
class Files {
 public:
  explicit Files(const Judge& judge) : judge_(judge) {
    judge.write("m.safetensors", small_model());
    judge.write("no-tensors.safetensors", safetensors_file({}));
    judge.write("garbage.bin", noise(10'000, 7));
    judge.write("empty.bin", "");
    judge.write("cut.safetensors", small_model().substr(0, small_model().size() - 1));
    judge.write("cut-header.safetensors", small_model().substr(0, 20));
    judge.write("precious.safetensors", "precious");
    judge.write("evil\x1b[2J\n.bin", "evil");
    judge.write("cut.pth", std::string("PK\x03\x04", 4) + noise(100, 8));
    judge.write("junk.pth", "junk" + testing::small_zip().build());
    judge.write("nothing.zip", "PK\x05\x06" + std::string(18, '\0'));
    fs::create_directory(judge.file("folder"));
    add_containers();
    add_strange_containers();
  }

 private:
  // Returns the path of a container that this packs.
  std::string pack(const std::string& name, const std::string& contents) {
    judge_.write(name, contents);
    judge_.expect_success({"pack", "@/" + name, "-o", "@/" + name + ".wpack", "-q"});
    return judge_.file(name + ".wpack");
  }
  // Returns the path of a copy of the sound container.
  std::string copy(const std::string& name) {
    fs::copy(judge_.file("m.wpack"), judge_.file(name), fs::copy_options::recursive);
    return judge_.file(name);
  }

  void add_containers() {
    fs::rename(pack("m", small_model()), judge_.file("m.wpack"));
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
  }

  void add_strange_containers() {
    const std::string foreign =
        pack("foreign", safetensors_file({{"x", "U8", {300}, noise(300, 9)}}));
    fs::copy_file(foreign + "/00000.wps", copy("foreign-shard.wpack") + "/00000.wps",
                  fs::copy_options::overwrite_existing);
    const fs::path linked = copy("linked-shard.wpack");
    fs::remove(linked / "00000.wps");
    fs::create_symlink("../m.wpack/00000.wps", linked / "00000.wps");
    const fs::path linked_index = copy("linked-index.wpack");
    fs::remove(linked_index / "index.wpi");
    fs::create_symlink("../m.wpack/index.wpi", linked_index / "index.wpi");
  }

  const Judge& judge_;
};

struct Refusal {
  const char* name;
  int status;
  Arguments arguments;
  const char* part;
};

// One set of files serves all refusals, as none of them may change it.
void expect_refusals(const std::vector<Refusal>& refusals) {
  const Judge judge;
  const Files files(judge);
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.name);
    const Expected expected{refusal.status, {refusal.part}};
    judge.expect_refusal(refusal.arguments, expected);
    Arguments with_json = refusal.arguments;
    with_json.insert(with_json.begin() + 1, "--json");
    judge.expect_refusal(with_json, expected);
  }
}

const std::vector<Refusal> kPackRefusals = {
    Refusal{"MissingSource", 5, {"pack", "@/none.pth", "-o", "@/out"}, "none.pth"},
    Refusal{"EmptyPath", 5, {"pack", "", "-o", "@/out"}, "No such file"},
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
    Refusal{"JunkBeforeAZip", 3, {"pack", "@/junk.pth", "-o", "@/out"}, "junk.pth"},
    Refusal{"AZipOfNothing", 3, {"pack", "@/nothing.zip", "-o", "@/out"}, "nothing.zip"},
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

TEST(CommandRefusalTest, RejectsWhatCannotBePacked) { expect_refusals(kPackRefusals); }

const std::vector<Refusal> kReadRefusals = {
    Refusal{"LsMissing", 5, {"ls", "@/none.wpack"}, "none.wpack"},
    Refusal{"LsFile", 3, {"ls", "@/m.safetensors"}, "m.safetensors"},
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
    Refusal{"VerifyLinkedShard", 5, {"verify", "@/linked-shard.wpack"}, "symbolic link"},
    Refusal{"LsLinkedIndex", 5, {"ls", "@/linked-index.wpack"}, "symbolic link"},
    Refusal{"InspectLinkedIndex", 5, {"inspect", "@/linked-index.wpack"}, "symbolic link"}};

TEST(CommandRefusalTest, RejectsWhatCannotBeListedOrVerified) { expect_refusals(kReadRefusals); }

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

TEST(CommandRefusalTest, RejectsWhatCannotBeLoaded) { expect_refusals(kLoadRefusals); }

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

TEST(CommandRefusalTest, RejectsWhatCannotBeUnpacked) { expect_refusals(kUnpackRefusals); }

TEST(CommandRefusalTest, RejectsReplacingWhereNamesCannotBeExchanged) {
  if (!can_filter_system_calls()) GTEST_SKIP() << "seccomp filters are not allowed here";
  const Judge judge;
  const Files files(judge);
  judge.expect_refusal({"pack", "@/m.safetensors", "--force", "-o", "@/foreign.wpack"},
                       {7, {"foreign.wpack", "cannot exchange two names"}},
                       failing({.number = SYS_renameat2, .error = EINVAL}));
}

}  // namespace
}  // namespace wpack::refusals
