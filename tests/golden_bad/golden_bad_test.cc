// The golden bad containers are what their recipes make, and the library refuses each as listed.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "golden_bad/recipes.h"
#include "golden_bad/table.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/container.h"
#include "wpack/text.h"
#include "wpack/verify.h"

namespace wpack::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;

std::map<std::string, std::string> files_of(const fs::path& container) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(container))
    files[entry.path().filename().string()] = read_file(entry.path());
  return files;
}

std::string path_of(const BadContainer& row) {
  return (golden_bad_directory() / (row.name + ".wpack")).string();
}

std::string message_of(const BadContainer& row) {
  return escape_name(golden_bad_directory().string()) + "/" + row.message;
}

// What asking for everything that a container holds fails with first.
Status use_all(const Container& container) {
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) WPACK_TRY(container.tensor(id));
  for (const Layer& layer : container.layers()) WPACK_TRY(layer.acquire());
  for (const AttachmentInfo& info : container.attachments())
    WPACK_TRY(container.attachment(info.name));
  return {};
}

void expect_error(const Error& error, const BadContainer& row) {
  EXPECT_EQ(error.message(), message_of(row));
  EXPECT_EQ(static_cast<int>(error.code()), row.exit_status);
}

// Opens the container, uses all of it, or both, until it is refused.
Status refusal(const BadContainer& row, AccessMode access) {
  WPACK_ASSIGN(const Container container,
               Container::open(path_of(row), {.verify = VerifyPolicy::kTouch, .access = access}));
  EXPECT_NE(row.moment, "open");
  WPACK_TRY(use_all(container));
  EXPECT_EQ(row.moment, "verify");
  return {};
}

// What `verify` finds, whether or not it could look at the shards.
std::vector<std::string> faults_of(const BadContainer& row) {
  const auto report = verify(path_of(row));
  if (!report) return {report.error().message()};
  std::vector<std::string> messages;
  for (const Error& fault : report->faults) messages.push_back(fault.message());
  return messages;
}

// A codec or type that a reader does not know is no damage; `verify` says what it cannot check.
bool is_unknown_number(const BadContainer& row) { return row.rule == "X4" || row.rule == "T2"; }

void expect_found_by_verify(const BadContainer& row) {
  const std::vector<std::string> faults = faults_of(row);
  EXPECT_EQ(faults.empty(), row.verify_status == 0);
  if (row.moment == "use" && row.kind == "unsupported" && is_unknown_number(row)) return;
  EXPECT_THAT(faults, Contains(message_of(row)));
  if (row.moment != "use") {
    EXPECT_EQ(faults.size(), 1U);
  }
}

TEST(GoldenBadTest, IsMadeAgainByteForByte) {
  const TempDir directory;
  for (const Recipe& recipe : all_recipes()) {
    const std::string name = recipe.name + ".wpack";
    recipe.make(directory.path() / name);
    EXPECT_TRUE(files_of(directory.path() / name) == files_of(golden_bad_directory() / name))
        << name;
  }
}

TEST(GoldenBadTest, ListsEveryContainerAndEveryRecipeOnce) {
  std::multiset<std::string> listed;
  for (const BadContainer& row : read_golden_bad_table()) listed.insert(row.name);
  std::multiset<std::string> recipes;
  for (const Recipe& recipe : all_recipes()) recipes.insert(recipe.name);
  std::multiset<std::string> directories;
  for (const auto& entry : fs::directory_iterator(golden_bad_directory()))
    if (entry.is_directory()) directories.insert(entry.path().stem().string());
  EXPECT_EQ(listed, recipes);
  EXPECT_EQ(listed, directories);
  EXPECT_GE(listed.size(), 60U);
}

TEST(GoldenBadTest, StartsFromSoundContainers) {
  const TempDir directory;
  for (const Base base : {one_tensor, sample, two_shards, no_payload}) {
    const std::string path = base().build(directory.path() / "m.wpack");
    ASSERT_OK_AND_ASSIGN(const Container container,
                         Container::open(path, {.verify = VerifyPolicy::kFull}));
    EXPECT_THAT(use_all(container), IsOk());
    ASSERT_OK_AND_ASSIGN(const VerifyReport report, verify(path));
    EXPECT_TRUE(report.faults.empty());
    fs::remove_all(path);
  }
  ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                       verify(coded().build(directory.path() / "m.wpack")));
  ASSERT_EQ(report.faults.size(), 1U);  // the codec is one that nobody knows
  EXPECT_EQ(report.faults[0].code(), ErrorCode::kBadInput);
}

TEST(GoldenBadTest, GivesEveryKindItsExitStatus) {
  const std::map<std::string, ErrorCode> codes = {{"bad-input", ErrorCode::kBadInput},
                                                  {"unsupported", ErrorCode::kBadInput},
                                                  {"integrity", ErrorCode::kIntegrity},
                                                  {"io", ErrorCode::kIo},
                                                  {"limit", ErrorCode::kLimit}};
  const std::set<std::string> moments = {"open", "use", "verify"};
  for (const BadContainer& row : read_golden_bad_table()) {
    EXPECT_EQ(static_cast<int>(codes.at(row.kind)), row.exit_status) << row.name;
    EXPECT_TRUE(moments.contains(row.moment)) << row.name;
  }
}

TEST(GoldenBadTest, RefusesEveryContainerAsListed) {
  for (const BadContainer& row : read_golden_bad_table()) {
    SCOPED_TRACE(row.name);
    for (const AccessMode access : {AccessMode::kMap, AccessMode::kRead}) {
      const Status status = refusal(row, access);
      ASSERT_EQ(status.has_value(), row.moment == "verify");
      if (!status) expect_error(status.error(), row);
    }
    expect_found_by_verify(row);
  }
}

}  // namespace
}  // namespace wpack::testing
