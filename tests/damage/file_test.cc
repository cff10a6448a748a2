// Files of a container that are missing, exchanged, or not files at all, and files that are not
// its.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <functional>

#include "damage/damaged_container.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;

// What stands in a file's place: made at the path where the file was.
struct Impostor {
  const char* name;
  std::function<void(const fs::path& path)> make;
  ErrorCode code;
};

void make_socket(const fs::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.string().copy(address.sun_path, sizeof address.sun_path - 1);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::close(fd);
  if (bound != 0) throw std::runtime_error("cannot make a socket");
}

const Impostor kImpostors[] = {
    {"nothing", [](const fs::path&) {}, ErrorCode::kIo},
    {"a link to the file", [](const fs::path& path) { fs::create_symlink("elsewhere", path); },
     ErrorCode::kIo},
    {"a link to nothing", [](const fs::path& path) { fs::create_symlink("none", path); },
     ErrorCode::kIo},
    {"a link to itself", [](const fs::path& path) { fs::create_symlink(path.filename(), path); },
     ErrorCode::kIo},
    {"a directory", [](const fs::path& path) { fs::create_directory(path); }, ErrorCode::kBadInput},
    {"a FIFO", [](const fs::path& path) { (void)::mkfifo(path.c_str(), 0600); },
     ErrorCode::kBadInput},
    {"a link to a device", [](const fs::path& path) { fs::create_symlink("/dev/zero", path); },
     ErrorCode::kIo},
};

class FileTest : public DamagedContainerTest {
 protected:
  [[nodiscard]] std::string build_other() const {
    ContainerBuilder other = damaged_builder();
    other.contents().producer = "another";
    return other.build(directory_.path() / "other.wpack");
  }
  void replace(const std::string& name, const fs::path& by) const {
    fs::copy_file(by, file(name), fs::copy_options::overwrite_existing);
  }
};

TEST_F(FileTest, RefusesWhatIsNotAFileAtOpen) {
  for (const char* name : kDamagedFiles) {
    for (const Impostor& impostor : kImpostors) {
      fs::rename(file(name), file("elsewhere"));
      impostor.make(file(name));
      EXPECT_EQ(open_outcome(path_), impostor.code) << impostor.name << " for " << name;
      EXPECT_EQ(verify_outcome(path_), impostor.code) << impostor.name << " for " << name;
      fs::remove(file(name));
      fs::rename(file("elsewhere"), file(name));
    }
  }
  EXPECT_EQ(verify_outcome(path_), Outcome());
}

// Opening a socket fails before it can be looked at.
TEST_F(FileTest, RefusesSockets) {
  for (const char* name : kDamagedFiles) {
    fs::rename(file(name), file("elsewhere"));
    make_socket(file(name));
    EXPECT_EQ(open_outcome(path_), ErrorCode::kIo) << name;
    EXPECT_EQ(verify_outcome(path_), ErrorCode::kIo) << name;
    fs::remove(file(name));
    fs::rename(file("elsewhere"), file(name));
  }
}

TEST_F(FileTest, RefusesADoubledShard) {
  replace("00001.wps", file("00000.wps"));
  EXPECT_EQ(open_outcome(path_), Outcome());
  EXPECT_EQ(use_outcome(path_, AccessMode::kMap), ErrorCode::kIntegrity);
  EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity);
}

TEST_F(FileTest, RefusesSwappedShards) {
  fs::rename(file("00000.wps"), file("other"));
  fs::rename(file("00001.wps"), file("00000.wps"));
  fs::rename(file("other"), file("00001.wps"));
  EXPECT_EQ(open_outcome(path_), Outcome());
  EXPECT_EQ(use_outcome(path_, AccessMode::kRead), ErrorCode::kIntegrity);
  EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity);
}

TEST_F(FileTest, RefusesEveryFileOfAnotherContainer) {
  const fs::path other = build_other();
  for (const char* name : kDamagedFiles) {
    fs::copy_file(file(name), file("kept"), fs::copy_options::overwrite_existing);
    replace(name, other / name);
    EXPECT_EQ(open_outcome(path_), Outcome()) << name;
    EXPECT_EQ(use_outcome(path_, AccessMode::kMap), ErrorCode::kIntegrity) << name;
    EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity) << name;
    replace(name, file("kept"));
  }
  EXPECT_EQ(verify_outcome(path_), Outcome());
}

TEST_F(FileTest, TellsAnIndexFromAShard) {
  fs::copy_file(file("index.wpi"), file("kept"));
  replace("index.wpi", file("00000.wps"));
  EXPECT_EQ(open_outcome(path_), ErrorCode::kBadInput);
  replace("index.wpi", file("kept"));
  replace("00000.wps", file("kept"));
  EXPECT_EQ(open_outcome(path_), Outcome());
  EXPECT_EQ(use_outcome(path_, AccessMode::kMap), ErrorCode::kIntegrity);
  EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity);
}

TEST_F(FileTest, IgnoresOtherFiles) {
  for (const char* name : {"tokenizer.json", ".hidden", "00000.wps~", "0000.wps", "000000.wps",
                           "00000.WPS", "abcde.wps", "index.wpi.bak", "-----.wps"})
    (void)std::ofstream(file(name));
  fs::create_directory(file("folder"));
  fs::create_symlink("nowhere", file("dangling"));
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  EXPECT_EQ(use_outcome(path_, AccessMode::kMap), Outcome());
  EXPECT_EQ(verify_outcome(path_), Outcome());
}

TEST_F(FileTest, ReportsAShardThatTheIndexDoesNotKnow) {
  for (const char* name : {"00002.wps", "00010.wps", "99999.wps"}) {
    replace(name, file("00000.wps"));
    EXPECT_EQ(use_outcome(path_, AccessMode::kMap), Outcome()) << name;
    EXPECT_EQ(verify_outcome(path_), ErrorCode::kIntegrity) << name;
    fs::remove(file(name));
  }
}

// More shards than are opened when the container is.
class ManyShardsTest : public ::testing::Test {
 protected:
  ManyShardsTest() {
    for (std::size_t i = 0; i < 18; ++i) {
      const std::string layer = std::to_string(i);
      if (i > 0) builder_.new_shard();
      builder_.layer(layer).tensor(layer + ".x", pattern_bytes(8, i));
    }
    path_ = builder_.build(directory_.path() / "m.wpack");
  }
  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(ManyShardsTest, FindsAMissingShardAtOpenOrAtItsFirstUse) {
  fs::rename(path_ + "/00016.wps", path_ + "/kept");
  ASSERT_OK_AND_ASSIGN(const Container container, Container::open(path_));
  EXPECT_THAT(container.tensor("15.x"), IsOk());
  EXPECT_THAT(container.tensor("16.x"), Fails(ErrorCode::kIo, "00016.wps: open failed"));
  EXPECT_THAT(container.tensor("17.x"), IsOk());
  EXPECT_EQ(verify_outcome(path_), ErrorCode::kIo);
  fs::rename(path_ + "/kept", path_ + "/00016.wps");
  EXPECT_THAT(container.tensor("16.x"), IsOk());
  fs::remove(path_ + "/00015.wps");
  EXPECT_EQ(open_outcome(path_), ErrorCode::kIo);
}

}  // namespace
}  // namespace wpack::testing
