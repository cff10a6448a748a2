#include "output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "sources.h"

namespace wpack::cli {
namespace {

using testing::TempDir;

void redirect_stdout(const char* path) {
  const int fd = ::open(path, O_WRONLY);
  (void)::dup2(fd, STDOUT_FILENO);
}

TEST(OneLineTest, EscapesControlCharactersAndKeepsTheRest) {
  EXPECT_EQ(one_line("a\nb\x1b[2J\x7f \\x00 é", 100), "a\\x0ab\\x1b[2J\\x7f \\x00 é");
}

TEST(OneLineTest, CutsBetweenCharacters) {
  EXPECT_EQ(one_line("ééééé", 8), "éé...");
  EXPECT_EQ(one_line(std::string(5000, 'x'), 4096).size(), 4096U);
}

TEST(OutputTest, ReportsAFullDeviceAsStdout) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", small_model());
  const Outcome outcome = run({"ls", container}, [] { redirect_stdout("/dev/full"); });
  EXPECT_EQ(outcome.status, 6);
  EXPECT_EQ(outcome.err, "wpack: error: write to stdout: No space left on device\n");
}

TEST(OutputTest, ReportsAClosedStdout) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", small_model());
  const Outcome outcome = run({"ls", container}, [] { (void)::close(STDOUT_FILENO); });
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.err, "wpack: error: write to stdout: Bad file descriptor\n");
}

TEST(OutputTest, KeepsItsWordsOutOfTheContainerWhenAllStandardStreamsAreClosed) {
  const TempDir directory;
  const std::string source = directory.write("m.safetensors", small_model());
  const Outcome outcome = run({"pack", source, "-o", directory.file("m.wpack")}, [] {
    for (const int fd : {0, 1, 2}) (void)::close(fd);
  });
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(run({"verify", directory.file("m.wpack")}).status, 0);
}

TEST(OutputTest, EndsQuietlyWhenTheReaderOfAPipeHasGone) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", small_model());
  const Outcome outcome = run({"ls", container}, [] {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) ::_exit(125);
    (void)::close(ends[0]);
    (void)::dup2(ends[1], STDOUT_FILENO);
  });
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.err, "");
}

TEST(OutputTest, WritesValidJsonForAPathThatIsNotUtf8) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m\xff", small_model());
  for (const char* command : {"inspect", "verify", "load"}) {
    const Outcome outcome = run({command, container, "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(nlohmann::json::accept(outcome.out)) << command << ": " << outcome.out;
  }
}

TEST(OutputTest, ShowsProgressOnlyOnATerminal) {
  const TempDir directory;
  const std::string source = directory.write("m.safetensors", small_model());
  const Outcome piped = run({"pack", source, "-o", directory.file("piped.wpack")});
  EXPECT_EQ(piped.status, 0);
  EXPECT_EQ(piped.err, "");
  const Outcome shown = run_on_terminal({"pack", source, "-o", directory.file("shown.wpack")},
                                        [] { (void)::setenv("NO_COLOR", "1", 1); });
  EXPECT_EQ(shown.status, 0);
  EXPECT_NE(shown.err.find("\rpack "), std::string::npos) << shown.err;
  const Outcome quiet =
      run_on_terminal({"pack", source, "-q", "-o", directory.file("quiet.wpack")});
  EXPECT_EQ(quiet.status, 0);
  EXPECT_EQ(quiet.err + quiet.out, "");
}

TEST(OutputTest, ColorsProgressUnlessNoColorIsSet) {
  const TempDir directory;
  const std::string container = pack_file(directory, "m", small_model());
  const auto shown_with = [&](const char* no_color) {
    return run_on_terminal({"verify", container}, [no_color] {
      (void)::setenv("TERM", "xterm", 1);
      (void)::unsetenv("NO_COLOR");
      if (no_color != nullptr) (void)::setenv("NO_COLOR", no_color, 1);
    });
  };
  EXPECT_NE(shown_with(nullptr).err.find("\x1b["), std::string::npos);
  const Outcome plain = shown_with("1");
  EXPECT_NE(plain.err.find("verify "), std::string::npos);
  EXPECT_EQ(plain.err.find('\x1b'), std::string::npos) << plain.err;
}

}  // namespace
}  // namespace wpack::cli
