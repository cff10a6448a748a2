// SIGINT and SIGTERM: exit status 130, one line, nothing left behind.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "sources.h"

namespace wpack::cli {
namespace {

using testing::TempDir;

// A file of 32 tensors of 64 MiB that takes no disk space. All are equal, so its container is
// small, but what is unpacked from that is large again.
std::string large_source(const TempDir& directory) {
  const std::uint64_t nbytes = std::uint64_t{64} << 20;
  const std::string header = safetensors_header(32, nbytes);
  const std::string path = directory.write("large.safetensors", header);
  std::filesystem::resize_file(path, header.size() + 32 * nbytes);
  return path;
}

std::set<std::string> names(const TempDir& directory) {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    found.insert(entry.path().filename().string());
  }
  return found;
}

// Sends `signal` as soon as the command has begun to write, and expects that no trace is left.
void interrupt(const TempDir& directory, const Arguments& arguments, int signal) {
  const auto before = names(directory);
  Command command(arguments);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (names(directory) == before) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "it writes nothing";
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_EQ(::kill(command.pid(), signal), 0);
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.substr(0, 14), "wpack: error: ");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_EQ(names(directory), before);
}

TEST(InterruptTest, PackLeavesNothingBehind) {
  const TempDir directory;
  const std::string source = large_source(directory);
  interrupt(directory, {"pack", source, "-o", directory.file("m.wpack")}, SIGINT);
  interrupt(directory, {"pack", source, "-o", directory.file("m.wpack")}, SIGTERM);
}

TEST(InterruptTest, UnpackLeavesNothingBehind) {
  const TempDir directory;
  const std::string container = directory.file("m.wpack");
  ASSERT_EQ(run({"pack", large_source(directory), "-o", container}).status, 0);
  interrupt(directory, {"unpack", container, "-o", directory.file("m.safetensors")}, SIGINT);
}

}  // namespace
}  // namespace wpack::cli
