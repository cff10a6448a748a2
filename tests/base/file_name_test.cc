#include "base/file_name.h"

#include <gtest/gtest.h>

#include <string>

namespace wpack::base {
namespace {

using namespace std::string_view_literals;

TEST(FileNameTest, TakesNamesOfOneFolder) {
  for (const std::string_view name :
       {"model-00001-of-00003.safetensors"sv, "a"sv, "with space"sv, "größe.bin"sv, "a..b"sv}) {
    EXPECT_TRUE(is_plain_file_name(name)) << name;
  }
  EXPECT_TRUE(is_plain_file_name(std::string(255, 'x')));
}

TEST(FileNameTest, RejectsPathsAndNamesThatDoNotPrint) {
  for (const std::string_view name :
       {""sv, "."sv, ".."sv, ".hidden"sv, "../a"sv, "/a"sv, "a/b"sv, "a/"sv, "a\\b"sv, "a\nb"sv,
        "a\x1b[2J"sv, "a\x7f"sv, "a\0b"sv, "a\xc2\x85"sv, "a\xff"sv}) {
    EXPECT_FALSE(is_plain_file_name(name)) << name;
  }
  EXPECT_FALSE(is_plain_file_name(std::string(256, 'x')));
}

TEST(FileNameTest, HoldsAttachmentsToLettersDigitsAndThreeSigns) {
  for (const std::string_view name : {"config.json"sv, "tokenizer.model.v3"sv, "A_b-9"sv, "x."sv})
    EXPECT_TRUE(is_attachment_name(name)) << name;
  for (const std::string_view name :
       {""sv, ".gitattributes"sv, "a b"sv, "a/b"sv, "größe.json"sv, "a\0b"sv, "a+b"sv}) {
    EXPECT_FALSE(is_attachment_name(name)) << name;
  }
  EXPECT_TRUE(is_attachment_name(std::string(255, 'x')));
  EXPECT_FALSE(is_attachment_name(std::string(256, 'x')));
}

}  // namespace
}  // namespace wpack::base
