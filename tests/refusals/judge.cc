#include "refusals/judge.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/utf8.h"
#include "refusals/host.h"
#include "support/sanitizer.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kMaxLineSize = 4096;
constexpr std::string_view kErrorPrefix = "wpack: error: ";
// A run that waits takes no processor time: the kernel ends it.
constexpr unsigned kHangSeconds = 40;
// Far more than any run maps, far less than a length out of a file may ask for.
constexpr rlim_t kAddressSpace = rlim_t{2} << 30;

// Called in the child.
void confine(const fs::path& temporary, const fs::path& working) {
  limited(RLIMIT_CORE, 0)();
  limited(RLIMIT_CPU, static_cast<rlim_t>(kMaxSeconds) * 2)();
  if (!testing::kSanitized) limited(RLIMIT_AS, kAddressSpace)();
  (void)::alarm(kHangSeconds);
  (void)::setenv("TMPDIR", temporary.c_str(), 1);
  if (::chdir(working.c_str()) != 0) ::_exit(kSetupRefused);
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const auto decoded = base::decode_utf8(text);
    if (!decoded || decoded->code_point < 0x20 ||
        (decoded->code_point >= 0x7F && decoded->code_point < 0xA0))
      return false;
    text.remove_prefix(decoded->size);
  }
  return true;
}

void expect_one_error_line(const Outcome& outcome, const Expected& expected) {
  EXPECT_EQ(outcome.status, expected.status) << outcome.err;
  EXPECT_THAT(outcome.err, StartsWith(std::string(kErrorPrefix)));
  for (const std::string& part : expected.parts) EXPECT_THAT(outcome.err, HasSubstr(part));
  EXPECT_LE(outcome.err.size(), kMaxLineSize);
  ASSERT_TRUE(outcome.err.ends_with('\n')) << outcome.err;
  EXPECT_TRUE(is_printable(std::string_view(outcome.err).substr(0, outcome.err.size() - 1)))
      << outcome.err;
}

// `verify` lists the faults that it finds: they are what it was asked for.
void expect_no_output(const Outcome& outcome, const Arguments& arguments) {
  const bool json = std::ranges::find(arguments, "--json") != arguments.end();
  if (json) {
    EXPECT_TRUE(outcome.out.empty() || nlohmann::json::accept(outcome.out)) << outcome.out;
  } else if (arguments.front() != "verify") {
    EXPECT_EQ(outcome.out, "");
  }
}

std::string state_of(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return "gone";
  // A folder's times change when something comes and goes in it, as it may.
  if (S_ISDIR(status.st_mode)) return fmt::format("folder {:o}", status.st_mode);
  return fmt::format("inode {} mode {:o} links {} size {} at {}.{:09} {}.{:09}", status.st_ino,
                     status.st_mode, status.st_nlink, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

}  // namespace

void expect_well_formed(const Error& error) {
  const std::string& message = error.message();
  EXPECT_TRUE(is_printable(message)) << message;
  EXPECT_FALSE(message.empty());
  EXPECT_LT(message.size(), kMaxLineSize - kErrorPrefix.size());
  const bool about_input = error.code() == ErrorCode::kBadInput ||
                           error.code() == ErrorCode::kIntegrity ||
                           error.code() == ErrorCode::kIo || error.code() == ErrorCode::kLimit;
  EXPECT_TRUE(about_input) << to_string(error.code()) << ": " << message;
}

Judge::Snapshot Judge::snapshot() const {
  Snapshot states;
  for (const testing::TempDir* directory : {&folder_, &temporary_, &working_}) {
    states[directory->path()] = state_of(directory->path());
    std::error_code unreadable;
    for (const auto& entry : fs::recursive_directory_iterator(
             directory->path(), fs::directory_options::skip_permission_denied, unreadable))
      states[entry.path()] = state_of(entry.path());
  }
  return states;
}

Arguments Judge::expand(Arguments arguments) const {
  for (std::string& argument : arguments) {
    if (argument.starts_with('@')) argument = folder().string() + argument.substr(1);
  }
  return arguments;
}

Outcome Judge::run(const Arguments& arguments, const ChildSetup& setup) const {
  Outcome outcome = cli::run(expand(arguments), [&] {
    if (setup) setup();
    confine(temporary_.path(), working_.path());  // last: entering a namespace leaves the folder
  });
  EXPECT_LT(outcome.status, 128) << "ended by a signal: " << outcome.err;
  EXPECT_LE(outcome.cpu_seconds, kMaxSeconds);
  if (!testing::kSanitized) {
    EXPECT_LE(outcome.peak_rss_bytes, kMaxMemory);
  }
  return outcome;
}

Outcome Judge::expect_refusal(const Arguments& arguments, const Expected& expected,
                              const ChildSetup& setup) const {
  SCOPED_TRACE(fmt::format("wpack {}", fmt::join(arguments, " ")));
  const Snapshot before = snapshot();
  Outcome outcome = run(arguments, setup);
  expect_one_error_line(outcome, expected);
  expect_no_output(outcome, arguments);
  EXPECT_EQ(snapshot(), before);
  return outcome;
}

Outcome Judge::expect_success(const Arguments& arguments) const {
  SCOPED_TRACE(fmt::format("wpack {}", fmt::join(arguments, " ")));
  Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.err, ::testing::Not(HasSubstr(std::string(kErrorPrefix))));
  return outcome;
}

std::vector<Arguments> ways_to_pack(std::string_view name) {
  const std::string source = fmt::format("@/{}", name);
  return {{"pack", source, "-o", "@/refused.wpack"},
          {"pack", source, "--dry-run"},
          {"pack", source, "-o", "@/refused.wpack", "--json"},
          {"pack", source, "--dry-run", "--json"}};
}

void expect_not_packed(const Judge& judge, std::string_view name, const Expected& expected) {
  const std::vector<Arguments> ways = ways_to_pack(name);
  static std::size_t turn = 0;
  for (const Arguments& way : ways) {
    if (testing::kSanitized && &way != &ways[turn % ways.size()]) continue;
    judge.expect_refusal(way, expected);
  }
  ++turn;
}

}  // namespace wpack::refusals
