// Mapping that the kernel really refuses: a child process with too little address space.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "load/read_chooser.h"
#include "load/test_container.h"
#include "support/sanitizer.h"

namespace wpack::testing {
namespace {

constexpr std::uint64_t kTail = std::uint64_t{4} << 30;       // of the shard, sparse
constexpr std::uint64_t kAllowance = std::uint64_t{1} << 30;  // beyond what the process has

std::uint64_t address_space_in_use() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Runs `body` in a child whose address space cannot grow past the allowance, and returns what it
// returns: "" for success.
std::string run_confined(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    const rlim_t limit = address_space_in_use() + kAllowance;
    const rlimit limits{limit, limit};
    const std::string said = ::setrlimit(RLIMIT_AS, &limits) == 0 ? body() : "setrlimit failed";
    const bool written = ::write(ends[1], said.data(), said.size()) >= 0;
    ::_exit(written ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    said.append(buffer, static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return status == 0 ? said : "child ended with status " + std::to_string(status);
}

class RefusedMappingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory leaves no address space to limit";
    builder_.sparse_tail(0, kTail);
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_;
};

TEST_F(RefusedMappingTest, ReadsInsteadAndSaysWhy) {
  const std::string said = run_confined([&]() -> std::string {
    auto container = open_with(path_, {});
    if (!container) return container.error().message();
    for (const auto& [name, bytes] : builder_.oracle()) {
      auto tensor = container->tensor(name);
      if (!tensor) return tensor.error().message();
      if (!holds(*tensor, bytes)) return "other bytes in " + name;
    }
    for (const Layer& layer : container->layers()) {
      if (auto view = layer.acquire(); !view) return view.error().message();
    }
    const AccessStats stats = container->stats();
    if (stats.read_bytes == 0) return "nothing was read";
    // The second shard is small, and still mapped.
    if (stats.mapped_bytes == 0 || stats.mapped_bytes >= kTail) return "mapped the wrong shards";
    const auto explanation = explain(*container);
    if (!explanation) return explanation.error().message();
    const ReadChoice& choice = explanation->shards[0].choice;
    if (load::maps(choice.method) || choice.refused.empty()) return "not explained";
    if (choice.refused[0].reason != stats.mapping_refused) return choice.refused[0].reason;
    const bool explained = stats.mapping_refused.find("00000.wps: map of") != std::string::npos &&
                           stats.mapping_refused.find("Cannot allocate") != std::string::npos;
    return explained ? "" : "unexplained: " + stats.mapping_refused;
  });
  EXPECT_EQ(said, "");
}

TEST_F(RefusedMappingTest, RejectsWhereMappingIsRequired) {
  const std::string said = run_confined([&]() -> std::string {
    auto container = open_with(path_, {.access = AccessMode::kMap});
    if (!container) return container.error().message();
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto tensor = container->tensor("embed.weight");
      if (tensor || tensor.error().code() != ErrorCode::kUnsupportedHost) return "not refused";
      if (tensor.error().message().find("00000.wps: map of") == std::string::npos)
        return tensor.error().message();
    }
    return "";
  });
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace wpack::testing
