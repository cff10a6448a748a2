// Folders of Hugging Face models through every command.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "folder/attachment_rule.h"
#include "sources.h"
#include "support/model_folder.h"
#include "support/paths.h"
#include "wpack/error.h"

namespace wpack::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using testing::ModelFolder;
using ::testing::Not;
using testing::TempDir;

class FolderCommandTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string fixture(const char* name) const {
    return (testing::test_data() / "hugging_face" / name).string();
  }
  void pack(const std::string& source, const Arguments& options = {}) const {
    Arguments arguments = {"pack", source, "-o", target_, "-q"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    ASSERT_EQ(outcome.out + outcome.err, "");
  }

  TempDir directory_;
  std::string target_ = directory_.file("m.wpack");
  std::string back_ = directory_.file("back/");
};

TEST_F(FolderCommandTest, PacksAFolderAndSaysWhatItAttached) {
  const Outcome outcome = run({"pack", fixture("safetensors_sharded"), "-o", target_});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("/m.wpack: 30 tensors (0 tied), "));
  EXPECT_THAT(outcome.out, HasSubstr("\nattached: 6 files, 5.82 kB\n"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("left out")));
}

TEST_F(FolderCommandTest, PacksTheSameFromTheIndexFromInsideAndFromACache) {
  pack(fixture("safetensors_sharded"));
  const auto expected = tree(target_);
  const std::string index = fixture("safetensors_sharded") + "/model.safetensors.index.json";
  pack(index, {"--force"});
  EXPECT_EQ(tree(target_), expected);
  const std::string inside = fixture("safetensors_sharded");
  const Outcome outcome =
      run({"pack", ".", "-o", target_, "-q", "--force"}, [&] { fs::current_path(inside); });
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(tree(target_), expected);
  fs::create_directory(directory_.file("snapshot"));
  for (const auto& entry : fs::directory_iterator(inside))
    fs::create_symlink(entry.path(), directory_.file("snapshot") / entry.path().filename());
  pack(directory_.file("snapshot"), {"--force"});
  EXPECT_EQ(tree(target_), expected);
}

TEST_F(FolderCommandTest, GivesAFolderBackByteForByte) {
  pack(fixture("safetensors_sharded"));
  const Outcome outcome = run({"unpack", target_, "-o", back_});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, MatchesRegex(".*/back/: 30 tensors, .* in .*\nwrote: 10 files\n"));
  EXPECT_EQ(tree(back_), tree(fixture("safetensors_sharded")));
}

TEST_F(FolderCommandTest, SaysAsJsonWhatAFolderBecame) {
  pack(fixture("torch_sharded"));
  const Json json = run_json({"unpack", target_, "-o", back_, "--json"});
  EXPECT_EQ(json["tensor_count"], 30);
  EXPECT_EQ(json["left_out"], Json::array());
  EXPECT_EQ(json["files"].size(), 11U);
  EXPECT_EQ(json["files"][0], "pytorch_model-00001-of-00004.bin");
  fs::remove_all(back_);
  const Outcome other = run({"unpack", target_, "-o", back_, "--format", "safetensors", "--json"});
  EXPECT_EQ(other.status, 0);
  EXPECT_EQ(other.err,
            "wpack: warning: left out pytorch_model.bin.index.json: it names "
            "pytorch_model-00001-of-00004.bin, not .safetensors files\n");
  EXPECT_EQ(Json::parse(other.out)["files"][0], "model.safetensors");
  EXPECT_EQ(Json::parse(other.out)["left_out"].size(), 1U);
}

TEST_F(FolderCommandTest, SaysThatASingleFileHasNoRoomForAttachments) {
  pack(fixture("safetensors_single"));
  const Outcome outcome = run({"unpack", target_, "-o", directory_.file("back.safetensors")});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, HasSubstr("\nleft out: 5 attachments; a folder has room for them"));
}

TEST_F(FolderCommandTest, ListsAttachments) {
  pack(fixture("safetensors_single"));
  const Outcome outcome = run({"ls", target_, "--attachments"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out,
            "ATTACHMENT                 SIZE\n"
            "chat_template.jinja        83 B\n"
            "config.json               715 B\n"
            "generation_config.json    195 B\n"
            "tokenizer.json          2.14 kB\n"
            "tokenizer_config.json     196 B\n"
            "5 attachments, 3.33 kB\n");
  const Json json = run_json({"ls", target_, "*.jinja", "--attachments", "--json"});
  EXPECT_EQ(json["attachments"], Json::parse(R"([{"name": "chat_template.jinja", "size": 83}])"));
  EXPECT_EQ(run({"ls", target_, "--attachments", "zzz"}).err,
            "wpack: error: " + target_ + ": no attachment matches 'zzz'\n");
  EXPECT_EQ(run({"ls", target_, "--attachments", "--layers"}).status, 2);
}

TEST_F(FolderCommandTest, InspectsAttachmentsAndVerifiesThem) {
  pack(fixture("safetensors_sharded"));
  const Json json = run_json({"inspect", target_, "--json"});
  EXPECT_EQ(json["source_format"], "safetensors");
  EXPECT_EQ(json["sources"].size(), 4U);
  EXPECT_EQ(json["sources"][3]["name"], "model-00004-of-00004.safetensors");
  EXPECT_EQ(json["attachments"].size(), 6U);
  EXPECT_EQ(json["attachments"][1]["name"], "config.json");
  EXPECT_EQ(json["attachments"][1]["size"], 716);
  EXPECT_THAT(run({"inspect", target_}).out, HasSubstr("attachments:\n  chat_template.jinja"));
  const std::string shard = target_ + "/00000.wps";
  damage(shard, testing::read_file(shard).find("\"LlamaForCausalLM\""));
  const Outcome outcome = run({"verify", target_});
  EXPECT_EQ(outcome.status, 4);
  EXPECT_THAT(outcome.err, HasSubstr("attachment 'config.json' is damaged"));
  EXPECT_EQ(run({"unpack", target_, "-o", back_}).status, 4);
  EXPECT_FALSE(fs::exists(back_));
}

TEST_F(FolderCommandTest, SaysWhatItLeftOut) {
  ModelFolder folder;
  testing::add_small_shards(folder);
  folder.write_index().write("tf_model.h5", "x").write("größe.json", "x");
  folder.write("pytorch_model.bin", "x");
  const Outcome outcome = run({"pack", folder.path(), "-o", target_, "--verbose"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("wpack: warning: größe.json is left out: "));
  EXPECT_THAT(outcome.err, HasSubstr("wpack: warning: pytorch_model.bin is left out: "));
  EXPECT_THAT(outcome.out, HasSubstr("\nleft out: 3 files of the folder\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\n  tf_model.h5\n"));
  const Outcome planned = run({"pack", folder.path(), "--dry-run", "--json"});
  const Json json = Json::parse(planned.out);
  EXPECT_EQ(json["left_out"].size(), 3U);
  EXPECT_EQ(json["attachments"][0]["name"], "model.safetensors.index.json");
  pack(folder.path(), {"--force", "--no-attachments"});
  EXPECT_EQ(run_json({"inspect", target_, "--json"})["attachments"], Json::array());
}

TEST_F(FolderCommandTest, HelpStatesTheRuleOfAttachments) {
  const std::string help = run({"pack", "--help"}).out;
  for (const std::string_view ending : folder::kAttachmentEndings)
    EXPECT_THAT(help, HasSubstr("*" + std::string(ending)));
  for (const std::string_view beginning : folder::kAttachmentBeginnings)
    EXPECT_THAT(help, HasSubstr(std::string(beginning) + "*"));
  EXPECT_THAT(help, HasSubstr(std::to_string(folder::kMaxAttachmentSize >> 20) + " MiB each"));
}

void expect_one_error_line(const Outcome& outcome, ErrorCode code, std::string_view part) {
  EXPECT_EQ(outcome.status, static_cast<int>(code)) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, ::testing::StartsWith("wpack: error: "));
  EXPECT_THAT(outcome.err, HasSubstr(std::string(part)));
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_LE(outcome.err.size(), 4096U);
}

TEST_F(FolderCommandTest, RejectsTargetsOfUnpackThatAreThere) {
  pack(fixture("safetensors_single"));
  fs::create_directory(back_);
  const auto before = tree(directory_.path());
  expect_one_error_line(run({"unpack", target_, "-o", back_}), ErrorCode::kIo, "already exists");
  expect_one_error_line(run({"unpack", target_, "-o", back_, "--force"}),
                        ErrorCode::kInvalidArgument, "a folder is not replaced");
  expect_one_error_line(run({"unpack", target_, "-o", directory_.file("none/back/")}),
                        ErrorCode::kIo, "No such file");
  expect_one_error_line(run({"unpack", target_, "-o", "/proc/back/"}), ErrorCode::kIo, "/proc");
  EXPECT_EQ(tree(directory_.path()), before);
}

}  // namespace
}  // namespace wpack::cli
