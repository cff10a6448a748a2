// What wpack load takes under a budget by the kernel's count, not by the library's own.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "process_usage.h"
#include "sources.h"
#include "support/sanitizer.h"

namespace wpack::cli {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kTensors = 32;
constexpr std::uint64_t kTensorBytes = 8 * kMiB;
// The program itself, its threads, the index, and what they have on the heap.
constexpr std::uint64_t kProgram = 4 * kMiB;

// Layers of one tensor of 8 MiB each.
std::string many_layers(const TempDir& directory) {
  const std::string source =
      directory.write("m.safetensors", safetensors_header(kTensors, kTensorBytes));
  std::ofstream out(source, std::ios::app | std::ios::binary);
  std::string bytes = noise(kTensorBytes, 1);
  for (std::uint64_t i = 0; i < kTensors; ++i, bytes[0] = static_cast<char>(i)) out << bytes;
  EXPECT_TRUE(out.flush());
  const std::string target = directory.file("m.wpack");
  EXPECT_EQ(run({"pack", source, "-o", target}).status, 0);
  return target;
}

bool has_ended(pid_t pid) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid == pid;
}

// What a process holds now beside pages of files. Until it is a program of its own, it shares the
// memory of the test, which is none of its.
std::uint64_t private_bytes(pid_t pid) {
  const std::string process = "/proc/" + std::to_string(pid);
  std::error_code failed;
  if (fs::read_symlink(process + "/exe", failed) == fs::read_symlink("/proc/self/exe")) return 0;
  std::uint64_t anonymous = 0;
  std::uint64_t shared = 0;
  std::uint64_t huge = 0;
  read_kibibyte_fields(
      (process + "/status").c_str(),
      {{"RssAnon:", &anonymous}, {"RssShmem:", &shared}, {"HugetlbPages:", &huge}});
  return anonymous + shared + huge;
}

struct Peak {
  std::uint64_t seen = 0;    // most private memory, as often as it could be looked at
  std::uint64_t kernel = 0;  // the kernel's own peak, less the pages of files at the end
};

Peak peak_of(const Arguments& arguments) {
  Peak peak;
  Command command(arguments);
  while (!has_ended(command.pid())) {
    peak.seen = std::max(peak.seen, private_bytes(command.pid()));
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  const Outcome outcome = command.wait();
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  const Json json = Json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(json.value("bytes", 0), kTensors * kTensorBytes);
  peak.kernel = json.value("peak_rss_bytes", std::uint64_t{0}) -
                json.value("file_rss_bytes", std::uint64_t{0});
  return peak;
}

// Layer by layer, tensor by tensor, and slice by slice.
TEST(LoadMemoryTest, StreamsManyTimesItsBudgetWithoutEverTakingMore) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const TempDir directory;
  const std::string container = many_layers(directory);
  for (const std::uint64_t mebibytes : {64U, 24U, 12U, 6U}) {
    const std::uint64_t budget = mebibytes * kMiB;
    const Peak peak =
        peak_of({"load", container, "--json", "--budget", std::to_string(mebibytes) + "MiB"});
    EXPECT_LE(peak.seen, budget + kProgram) << mebibytes;
    EXPECT_LE(peak.kernel, budget + kProgram) << mebibytes;
    EXPECT_GT(peak.kernel, budget / 4) << "it used nothing of its budget of " << mebibytes;
  }
}

// Without which the test above would say nothing.
TEST(LoadMemoryTest, TakesWhatItLoadsWhereThereIsNoBudget) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const TempDir directory;
  const Peak peak = peak_of({"load", many_layers(directory), "--json", "--access", "read"});
  EXPECT_GE(peak.seen, kTensors * kTensorBytes / 2);
  EXPECT_GE(peak.kernel, kTensors * kTensorBytes);
}

}  // namespace
}  // namespace wpack::cli
