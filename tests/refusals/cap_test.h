// What the tests of caps share: a run of the command on one large input.
#pragma once

#include <gtest/gtest.h>
#include <libdeflate.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "refusals/judge.h"
#include "support/checkpoint_builder.h"
#include "support/sanitizer.h"

namespace wpack::refusals {

inline constexpr std::size_t kMebibyte = std::size_t{1} << 20;

inline std::string repeat(std::string_view text, std::size_t count) {
  const std::size_t size = text.size() * count;
  std::string out(text);
  out.reserve(size);
  while (out.size() < size) out.append(out, 0, size - out.size());
  return out;
}

inline std::string checkpoint_of(std::string pickle) {
  return testing::checkpoint_zip(std::move(pickle), {"abcdefgh"}).build();
}

// For more members than the plain end of an archive can count.
inline void count_in_zip64(testing::ZipBuilder& zip) {
  zip.zip64_end = true;
  zip.end64_entry_count = zip.entries.size();
  zip.entry_count = 0xFFFF;  // the other record says
}

// A checkpoint beside whose members stand `count` that hold `contents`, deflated. No tensor needs
// them; they are inflated all the same, to check them.
inline testing::ZipBuilder with_inflated(const std::string& contents, std::size_t count) {
  testing::ZipBuilder zip = testing::small_zip();
  const std::uint32_t crc = libdeflate_crc32(0, contents.data(), contents.size());
  const std::string stored = testing::deflated(contents);
  for (std::size_t i = 0; i < count; ++i) {
    testing::ZipEntry& entry = zip.add("archive/" + std::to_string(i), stored);
    entry.method = 8;
    entry.local_method = 8;
    entry.descriptor = true;
    entry.size = contents.size();
    entry.crc = crc;
  }
  count_in_zip64(zip);
  return zip;
}

class CapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory and time are not wpack's";
  }

  void expect_refused(const std::string& contents, const Expected& expected) const {
    judge_.write("large.file", contents);
    judge_.expect_refusal({"pack", "@/large.file", "-o", "@/large.wpack"}, expected);
  }

  // Expects that it can be packed, and that every command is content with the container.
  void expect_packed(const std::string& contents) const {
    judge_.write("large.file", contents);
    judge_.expect_success({"pack", "@/large.file", "--dry-run", "--json"});
    judge_.expect_success({"pack", "@/large.file", "-o", "@/large.wpack", "-q"});
    if (!std::filesystem::exists(judge_.file("large.wpack"))) return;
    for (const Arguments& reader :
         std::vector<Arguments>{{"ls", "@/large.wpack"},
                                {"ls", "@/large.wpack", "--layers", "--json"},
                                {"inspect", "@/large.wpack", "--json"},
                                {"verify", "@/large.wpack"},
                                {"load", "@/large.wpack"},
                                {"load", "@/large.wpack", "--access", "read"},
                                {"unpack", "@/large.wpack", "-o", "@/back.safetensors"},
                                {"unpack", "@/large.wpack", "-o", "@/back.pth"}}) {
      judge_.expect_success(reader);
    }
    std::filesystem::remove_all(judge_.file("large.wpack"));
    std::filesystem::remove(judge_.file("back.safetensors"));
    std::filesystem::remove(judge_.file("back.pth"));
  }

  Judge judge_;
};

}  // namespace wpack::refusals
