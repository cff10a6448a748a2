// The command refuses each golden bad container as tests/golden_bad/golden_bad.tsv says, and no
// earlier than that.
#include <gtest/gtest.h>

#include "command.h"
#include "golden_bad/table.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

using testing::BadContainer;

Arguments arguments_of(const std::string& command, const std::string& path) {
  if (command == "load") return {"load", path, "--verify", "touch"};
  return {command, path};
}

void expect_success(const std::string& command, const std::string& path) {
  const Outcome outcome = run(arguments_of(command, path));
  EXPECT_EQ(outcome.status, 0) << command << ": " << outcome.err;
}

TEST(GoldenBadCommandTest, RefusesEveryContainerAsListed) {
  const std::string directory = testing::golden_bad_directory().string();
  for (const BadContainer& row : testing::read_golden_bad_table()) {
    SCOPED_TRACE(row.name);
    const std::string path = directory + "/" + row.name + ".wpack";
    if (row.command != "ls") expect_success("ls", path);
    if (row.command == "verify") expect_success("load", path);
    const Outcome outcome = run(arguments_of(row.command, path));
    EXPECT_EQ(outcome.status, row.exit_status);
    EXPECT_EQ(outcome.err, "wpack: error: " + escape_name(directory) + "/" + row.message + "\n");
    if (row.command != "verify") {
      EXPECT_EQ(outcome.out, "");
      EXPECT_EQ(run({"verify", path}).status, row.verify_status);
    }
  }
}

}  // namespace
}  // namespace wpack::cli
