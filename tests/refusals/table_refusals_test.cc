// The tables of bad inputs, each row as a whole file, through the command.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "refusals/bad_folders.h"
#include "refusals/judge.h"
#include "refusals/tables.h"
#include "support/safetensors_bytes.h"

namespace wpack::refusals {
namespace {

using testing::checkpoint_zip;
using testing::PickleBuilder;
using testing::ZipBuilder;

// Expects that the command refuses the file and says `part` about it.
void expect_refused_file(const Judge& judge, const std::string& name, const std::string& bytes,
                         ErrorCode code, const std::string& part) {
  judge.write(name, bytes);
  expect_not_packed(judge, name, {static_cast<int>(code), {judge.file(name) + ": ", part}});
}

void expect_refused_pickles(const std::vector<BadPickle>& pickles) {
  const Judge judge;
  for (const BadPickle& bad : pickles) {
    SCOPED_TRACE(bad.what);
    expect_refused_file(judge, "bad.pt", checkpoint_zip(bad.pickle, {"abcdefgh"}).build(), bad.code,
                        bad.part);
  }
}

TEST(TableRefusalTest, RejectsPicklesThatNoCheckpointHolds) {
  expect_refused_pickles(bad_pickles());
}

TEST(TableRefusalTest, RejectsPicklesThatNameWhatRunsCode) {
  expect_refused_pickles(acting_pickles());
}

TEST(TableRefusalTest, RejectsPicklesThatCallAndBuildOddly) {
  expect_refused_pickles(tricky_pickles());
}

TEST(TableRefusalTest, RejectsTensorsThatAreNotSound) {
  const Judge judge;
  for (const BadValue& bad : bad_tensors()) {
    SCOPED_TRACE(bad.what);
    const ZipBuilder zip = checkpoint_zip(testing::holding(bad.add), {"abcdefgh"});
    expect_refused_file(judge, "bad.pt", zip.build(), bad.code, bad.part);
  }
}

TEST(TableRefusalTest, RejectsTreesThatAreNotSound) {
  const Judge judge;
  for (const BadValue& bad : bad_trees()) {
    SCOPED_TRACE(bad.what);
    PickleBuilder tree;
    tree.empty_dict();
    bad.add(tree);
    expect_refused_file(judge, "bad.pt", checkpoint_zip(tree.stop(), {"abcdefgh"}).build(),
                        bad.code, bad.part);
  }
}

TEST(TableRefusalTest, RejectsArchivesThatReadersCouldReadDifferently) {
  const Judge judge;
  for (const BadArchive& bad : bad_zips()) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip = two_members();
    bad.change(zip);
    const bool is_zip = zip.prefix.empty() && !zip.entries.empty() &&
                        !zip.entries.front().local_signature.has_value();
    if (!is_zip) continue;  // without a signature at the front it is no zip archive to begin with
    expect_refused_file(judge, "bad.pt", zip.build(), bad.code, bad.part);
  }
}

TEST(TableRefusalTest, RejectsArchivesThatAreNoCheckpoint) {
  const Judge judge;
  for (const BadArchive& bad : bad_checkpoint_archives()) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip = testing::small_zip();
    bad.change(zip);
    expect_refused_file(judge, "bad.pt", zip.build(), bad.code, bad.part);
  }
}

TEST(TableRefusalTest, RejectsPayloadThatIsNotWhatTheArchiveSays) {
  const Judge judge;
  for (const BadArchive& bad : bad_payloads()) {
    SCOPED_TRACE(bad.what);
    ZipBuilder zip = testing::small_zip();
    bad.change(zip);
    judge.write("bad.pt", zip.build());
    const Expected expected{static_cast<int>(bad.code), {judge.file("bad.pt") + ": ", bad.part}};
    judge.expect_refusal({"pack", "@/bad.pt", "-o", "@/refused.wpack"}, expected);
    judge.expect_refusal({"pack", "@/bad.pt", "-o", "@/refused.wpack", "--json"}, expected);
  }
}

TEST(TableRefusalTest, RejectsFoldersOfModels) {
  for (const BadFolder& bad : bad_folders()) {
    SCOPED_TRACE(bad.what);
    const Judge judge;
    std::filesystem::create_directory(judge.file("model"));
    testing::ModelFolder folder(judge.file("model"));
    bad.make(folder);
    expect_not_packed(judge, "model",
                      {static_cast<int>(bad.code), {judge.file("model"), bad.part}});
  }
}

TEST(TableRefusalTest, RejectsHeadersOfSafetensors) {
  const Judge judge;
  for (const auto& table :
       {broken_json(), wrong_structure(), wrong_metadata(), wrong_tensors(), wrong_layout()}) {
    for (const BadHeader& bad : table) {
      SCOPED_TRACE(bad.label);
      // Without a brace behind the length, nothing says that it is a safetensors file.
      const auto front = bad.text.find_first_not_of(" \t\n\r");
      const bool detected = front != std::string::npos && bad.text[front] == '{';
      expect_refused_file(judge, "bad.safetensors",
                          testing::safetensors_file(bad.text, bad.payload_size), bad.code,
                          detected ? bad.part : "is ");
    }
  }
}

TEST(TableRefusalTest, RejectsLengthsOfSafetensorsThatDoNotFit) {
  struct BadLength {
    std::uint64_t length;
    const char* part;
  };
  const Judge judge;
  const std::string rest = R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})"
                           "data";
  for (const auto& [length, part] :
       std::vector<BadLength>{{0, "not valid JSON"},
                              {1, "not valid JSON"},
                              {rest.size() - 5, "not valid JSON"},
                              {rest.size() - 3, "not valid JSON"},
                              {rest.size() + 1, "in a file of"},
                              {100'000'000, "in a file of"},
                              {100'000'001, "more than the format's 100000000"},
                              {std::uint64_t{1} << 31, "more than the format's"},
                              {std::uint64_t{1} << 32, "more than the format's"},
                              {std::uint64_t{1} << 63, "header of 9223372036854775808 bytes"},
                              {~std::uint64_t{0} - 7, "header of 18446744073709551608 bytes"},
                              {~std::uint64_t{0}, "header of 18446744073709551615 bytes"}}) {
    SCOPED_TRACE(length);
    expect_refused_file(judge, "bad.safetensors", testing::length_field(length) + rest,
                        ErrorCode::kBadInput, part);
  }
}

}  // namespace
}  // namespace wpack::refusals
