// What the file system may do to a run: files that are none, links, permissions, a full or
// read-only disk, a quota, limits, faults of single system calls, and a source that changes under
// it.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/sources.h"
#include "refusals/host.h"
#include "refusals/judge.h"
#include "support/checkpoint_builder.h"
#include "support/result_matchers.h"
#include "wpack/pack.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using cli::small_model;

const std::string kSource = "m.safetensors";

// A folder with a source, the container that is made of it, and a folder for targets.
struct Ground {
  Ground() {
    judge.write(kSource, small_model());
    judge.expect_success({"pack", "@/" + kSource, "-o", "@/m.wpack", "-q"});
    fs::create_directory(judge.file("target"));
  }
  Judge judge;
};

void make_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(path.size(), sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::close(fd);
}

// Everything that takes the path of an input, with `@/INPUT` in its place.
std::vector<Arguments> readers_of(const std::string& input, bool source, bool container) {
  std::vector<Arguments> readers;
  if (source) {
    readers = ways_to_pack("x");
    for (Arguments& way : readers) way[1] = input;
  }
  if (container) {
    readers.insert(readers.end(), {{"ls", input},
                                   {"ls", input, "--layers", "--json"},
                                   {"inspect", input},
                                   {"inspect", input, "--json"},
                                   {"verify", input},
                                   {"verify", input, "--json"},
                                   {"load", input},
                                   {"load", input, "--json"},
                                   {"unpack", input, "-o", "@/x.pth"},
                                   {"unpack", input, "-o", "@/x.safetensors", "--json"}});
  }
  return readers;
}

struct OddInput {
  const char* what;
  std::string path;
  Expected as_source;
  Expected as_container;
};

TEST(FileSystemTest, RejectsInputsThatAreNoFilesOrNotThere) {
  const Ground ground;
  const Judge& judge = ground.judge;
  fs::create_directory(judge.file("folder"));
  ASSERT_EQ(::mkfifo(judge.file("fifo").c_str(), 0600), 0);
  make_socket(judge.file("socket"));
  judge.write("empty", "");
  fs::create_symlink("nowhere", judge.file("dangling"));
  fs::create_symlink("loop-b", judge.file("loop-a"));
  fs::create_symlink("loop-a", judge.file("loop-b"));
  fs::create_symlink(".", judge.file("here"));
  const std::string deep = "@/" + std::string(300, 'n');
  const std::string long_path = "@/" + std::string(5000, '/') + "m";
  for (const OddInput& odd : std::vector<OddInput>{
           {"missing", "@/none", {5, {"none: open failed: No such file"}}, {5, {"No such file"}}},
           {"no path", "", {5, {"No such file"}}, {5, {"No such file"}}},
           {"in no folder", "@/none/x", {5, {"none/x", "No such file"}}, {5, {"No such file"}}},
           {"in a file", "@/m.safetensors/x", {5, {"Not a directory"}}, {}},
           {"dangling", "@/dangling", {5, {"dangling", "No such file"}}, {5, {"No such file"}}},
           {"cycle",
            "@/loop-a",
            {5, {"loop-a", "Too many levels of symbolic"}},
            {5, {"loop-a", "Too many levels"}}},
           {"long name", deep, {5, {"File name too long"}}, {5, {"File name too long"}}},
           {"long path", long_path, {5, {"File name too long"}}, {5, {"File name too long"}}},
           {"folder", "@/folder", {3, {"folder: is a"}}, {5, {"index.wpi"}}},
           {"FIFO", "@/fifo", {3, {"fifo: is a FIFO"}}, {3, {"fifo: is a"}}},
           {"socket", "@/socket", {5, {"socket"}}, {}},
           {"device", "/dev/zero", {3, {"/dev/zero: is a device"}}, {3, {"/dev/zero: is a"}}},
           {"full device", "/dev/full", {3, {"/dev/full: is a device"}}, {3, {"/dev/full: is a"}}},
           {"file without bytes", "@/empty", {3, {"empty: is empty"}}, {3, {"empty: is "}}},
           {"file of the kernel",
            "/proc/self/status",
            {3, {"/proc/self/status: is empty"}},
            {3, {"/proc/self/status: is"}}},
       }) {
    SCOPED_TRACE(odd.what);
    for (const Arguments& reader : readers_of(odd.path, true, false))
      judge.expect_refusal(reader, odd.as_source);
    if (odd.as_container.parts.empty()) continue;
    for (const Arguments& reader : readers_of(odd.path, false, true))
      judge.expect_refusal(reader, odd.as_container);
  }
}

TEST(FileSystemTest, RejectsContainersWhoseFilesAreNone) {
  const Ground ground;
  const Judge& judge = ground.judge;
  for (const std::string file : {"index.wpi", "00000.wps"}) {
    SCOPED_TRACE(file);
    const std::string path = judge.file("m.wpack/" + file);
    const std::string bytes = testing::read_file(path);
    const auto expect_refused = [&](const Expected& expected) {
      for (const Arguments& reader : readers_of("@/m.wpack", false, true))
        judge.expect_refusal(reader, expected);
    };
    fs::remove(path);
    expect_refused({5, {file, "No such file"}});
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    expect_refused({3, {file, "is a FIFO"}});
    fs::remove(path);
    fs::create_directory(path);
    expect_refused({3, {file, "is a directory"}});
    fs::remove(path);
    judge.write("elsewhere", bytes);
    fs::create_symlink("../elsewhere", path);
    expect_refused({5, {file, "is a symbolic link"}});
    fs::remove(path);
    fs::create_symlink(file, path);
    expect_refused({5, {file, "is a symbolic link"}});
    fs::remove(path);
    judge.write("m.wpack/" + file, bytes);
  }
}

TEST(FileSystemTest, FollowsTheLinksThatAUserNames) {
  const Ground ground;
  const Judge& judge = ground.judge;
  // As in a cache of Hugging Face.
  fs::create_directories(judge.file("blobs"));
  fs::create_directories(judge.file("snapshots/main"));
  fs::rename(judge.file(kSource), judge.file("blobs/0123abcd"));
  fs::create_symlink("../../blobs/0123abcd", judge.file("snapshots/main/model.safetensors"));
  fs::create_symlink("snapshots/main/model.safetensors", judge.file("link"));
  judge.expect_success({"pack", "@/snapshots/main/model.safetensors", "-o", "@/linked.wpack"});
  judge.expect_success({"pack", "@/link", "--dry-run"});
  fs::create_symlink("m.wpack", judge.file("container"));
  for (const Arguments& reader : readers_of("@/container", false, true)) {
    judge.expect_success(reader);
    fs::remove(judge.file("x.pth"));
    fs::remove(judge.file("x.safetensors"));
  }
}

TEST(FileSystemTest, RejectsFilesWithoutPermission) {
  const Ground ground;
  const Judge& judge = ground.judge;
  fs::permissions(judge.file(kSource), fs::perms::none);
  for (const Arguments& way : ways_to_pack(kSource)) {
    judge.expect_refusal(way, {5, {kSource, "Permission denied"}}, without_privileges());
  }
  fs::permissions(judge.file(kSource), fs::perms::owner_read);
  for (const std::string file : {"index.wpi", "00000.wps"}) {
    fs::permissions(judge.file("m.wpack/" + file), fs::perms::none);
    judge.expect_refusal({"verify", "@/m.wpack"}, {5, {file, "Permission denied"}},
                         without_privileges());
    judge.expect_refusal({"load", "@/m.wpack"}, {5, {file, "Permission denied"}},
                         without_privileges());
    fs::permissions(judge.file("m.wpack/" + file), fs::perms::owner_read);
  }
  fs::permissions(judge.file("target"), fs::perms::owner_read | fs::perms::owner_exec);
  judge.expect_refusal({"pack", "@/" + kSource, "-o", "@/target/m.wpack"},
                       {5, {"target/m.wpack", "Permission denied"}}, without_privileges());
  judge.expect_refusal({"unpack", "@/m.wpack", "-o", "@/target/m.pth"},
                       {5, {"target/m.pth", "Permission denied"}}, without_privileges());
  fs::permissions(judge.file("target"), fs::perms::owner_all);
}

// A model of 300 KiB.
std::string larger_model() {
  return cli::safetensors_file({{"w", "U8", {300, 1024}, cli::noise(300 * 1024, 5)}});
}

// Both commands that write, with their target in the folder `target`.
std::vector<Arguments> writers() {
  return {{"pack", "@/large.safetensors", "-o", "@/target/m.wpack"},
          {"pack", "@/large.safetensors", "-o", "@/target/m.wpack", "--json"},
          {"unpack", "@/large.wpack", "-o", "@/target/m.pth"},
          {"unpack", "@/large.wpack", "-o", "@/target/m.safetensors", "--json"}};
}

struct WritingGround : Ground {
  WritingGround() {
    judge.write("large.safetensors", larger_model());
    judge.expect_success({"pack", "@/large.safetensors", "-o", "@/large.wpack", "-q"});
  }
};

TEST(FileSystemTest, LeavesNothingOnAFullDisk) {
  const WritingGround ground;
  for (const char* options : {"size=64k", "size=4k", "size=296k", "nr_inodes=1"}) {
    SCOPED_TRACE(options);
    const OwnFileSystem disk(ground.judge.file("target"), options);
    if (!disk.mounted()) GTEST_SKIP() << "a file system cannot be mounted here";
    for (const Arguments& writer : writers()) {
      ground.judge.expect_refusal(writer, {6, {"target/m.", "No space left on device"}},
                                  disk.entered());
      EXPECT_EQ(disk.names(), std::set<std::string>{});
    }
  }
}

TEST(FileSystemTest, RejectsAReadOnlyTarget) {
  const WritingGround ground;
  const OwnFileSystem disk(ground.judge.file("target"), "", true);
  if (!disk.mounted()) GTEST_SKIP() << "a file system cannot be mounted here";
  for (const Arguments& writer : writers())
    ground.judge.expect_refusal(writer, {5, {"target/m.", "Read-only file system"}},
                                disk.entered());
}

TEST(FileSystemTest, LeavesNothingWhereFilesMayNotGrow) {
  const WritingGround ground;
  for (const rlim_t size : {rlim_t{4096}, rlim_t{8192}, rlim_t{100'000}}) {
    SCOPED_TRACE(size);
    for (const Arguments& writer : writers()) {
      ground.judge.expect_refusal(writer, {6, {"target/m.", "File too large"}},
                                  limited(RLIMIT_FSIZE, size));
    }
  }
}

TEST(FileSystemTest, RejectsTargetsThatCannotBe) {
  const WritingGround ground;
  const Judge& judge = ground.judge;
  judge.write("file", "a file");
  fs::create_symlink("nowhere", judge.file("dangling"));
  const std::string evil = "@/none\x1b[2J\n/x";
  for (const auto& [target, status, part] : std::vector<std::tuple<std::string, int, const char*>>{
           {"@/none/x", 5, "No such file"},
           {"@/file/x", 5, "Not a directory"},
           {"@/file", 5, "already exists"},
           {"@/dangling", 5, "already exists"},
           {"@/target", 5, "target: "},
           {"@/" + std::string(300, 't'), 5, "File name too long"},
           {evil, 5, "none\\x1b[2J\\x0a"},
           {"/proc/x", 5, "/proc/x"},
           {"/dev/null", 5, "/dev/null"}}) {
    judge.expect_refusal({"pack", "@/large.safetensors", "-o", target}, {status, {part}});
    judge.expect_refusal({"unpack", "@/m.wpack", "--format", "torch", "-o", target},
                         {status, {part}});
  }
}

// A system call that fails, and what each of the commands that make it says.
struct Fault {
  const char* what;
  FailingCall call;
  int status;
  const char* part;
  bool of_unpack = true;
};

using Which = FailingCall::Which;

FailingCall creating(int error) { return {SYS_openat, error, Which::kWithFlag, 2, O_CREAT}; }
// The loader of programs reads too, but never from the front.
FailingCall reading(int error) { return {SYS_pread64, error, Which::kWithValue, 3, 0}; }

const Fault kFaults[] = {
    {"quota on space", {SYS_pwrite64, EDQUOT}, 6, "Disk quota exceeded"},
    {"quota on reserving", {SYS_fallocate, EDQUOT}, 6, "Disk quota exceeded"},
    {"quota on files", creating(EDQUOT), 6, "Disk quota exceeded"},
    {"quota on folders", {SYS_mkdirat, EDQUOT}, 6, "Disk quota exceeded", false},
    {"quota on fsync", {SYS_fsync, EDQUOT}, 6, "Disk quota exceeded"},
    {"quota on truncating", {SYS_ftruncate, EDQUOT}, 6, "Disk quota exceeded", false},
    {"quota on renaming", {SYS_renameat2, EDQUOT}, 6, "Disk quota exceeded"},
    {"full disk on writing", {SYS_pwrite64, ENOSPC}, 6, "No space left on device"},
    {"full disk on fsync", {SYS_fsync, ENOSPC}, 6, "No space left on device"},
    {"broken disk on writing", {SYS_pwrite64, EIO}, 5, "Input/output error"},
    {"broken disk on reserving", {SYS_fallocate, EIO}, 5, "Input/output error"},
    {"broken disk on fsync", {SYS_fsync, EIO}, 5, "Input/output error"},
    {"broken disk on truncating", {SYS_ftruncate, EIO}, 5, "Input/output error", false},
    {"broken disk on renaming", {SYS_renameat2, EIO}, 5, "Input/output error"},
    {"broken disk on creating", creating(EIO), 5, "Input/output error"},
    {"broken disk on reading", reading(EIO), 5, "Input/output error"},
    {"read-only disk on creating", creating(EROFS), 5, "Read-only file system"},
    {"read-only disk on folders", {SYS_mkdirat, EROFS}, 5, "Read-only file system", false},
    {"too many files", creating(EMFILE), 6, "Too many open files"},
    {"stale handle", reading(ESTALE), 5, "Stale file handle"},
};

TEST(FileSystemTest, LeavesNothingWhenASystemCallFails) {
  if (!can_filter_system_calls()) GTEST_SKIP() << "seccomp filters are not allowed here";
  const WritingGround ground;
  for (const Fault& fault : kFaults) {
    SCOPED_TRACE(fault.what);
    const std::string name = fault.call.number == SYS_pread64 ? "/large." : "/target/m.";
    for (const Arguments& writer : writers()) {
      if (writer.front() == "unpack" && !fault.of_unpack) continue;
      ground.judge.expect_refusal(writer, {fault.status, {name, fault.part}}, failing(fault.call));
    }
  }
}

TEST(FileSystemTest, NamesTheFileThatCannotBeRead) {
  if (!can_filter_system_calls()) GTEST_SKIP() << "seccomp filters are not allowed here";
  const Ground ground;
  const ChildSetup broken = failing(reading(EIO));
  for (const Arguments& reader : readers_of("@/m.wpack", false, true))
    ground.judge.expect_refusal(reader, {5, {"m.wpack/index.wpi", "at offset 0", "Input/output"}},
                                broken);
  for (const Arguments& way : ways_to_pack(kSource))
    ground.judge.expect_refusal(way, {5, {kSource, "at offset 0", "Input/output"}}, broken);
}

// Changes a source after it was opened, and expects that packing it fails and leaves nothing.
void expect_change_noticed(const std::string& name, const std::string& bytes,
                           const std::function<void(const std::string&)>& change) {
  const testing::TempDir directory = testing::TempDir::in_memory();
  const std::string path = directory.write(name, bytes);
  auto source = open_tensor_source(path);
  ASSERT_THAT(source, testing::IsOk());
  change(path);
  const auto report = pack(**source, directory.file("m.wpack"));
  EXPECT_THAT(report, testing::Fails(ErrorCode::kIo, name));
  if (!report) expect_well_formed(report.error());
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()), 1);
}

TEST(FileSystemTest, LeavesNothingWhenItsSourceChanges) {
  const std::function<void(const std::string&)> changes[] = {
      [](const std::string& path) { fs::resize_file(path, fs::file_size(path) - 1); },
      [](const std::string& path) { fs::resize_file(path, 100); },
      [](const std::string& path) { fs::resize_file(path, 0); },
      [](const std::string& path) { std::ofstream(path, std::ios::app) << "more"; },
      [](const std::string& path) {
        fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(1));
      },
      [](const std::string& path) {
        std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << "changed";
        fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(1));
      },
  };
  for (const auto& change : changes) {
    expect_change_noticed("m.safetensors", small_model(), change);
    expect_change_noticed("m.pt", testing::small_zip().build(), change);
  }
}

}  // namespace
}  // namespace wpack::refusals
