// The largest inputs that the readers' caps let pass, and those just past them: whatever a file
// asks for, a run stays within its memory and time.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "refusals/judge.h"
#include "support/checkpoint_builder.h"
#include "support/safetensors_bytes.h"
#include "support/sanitizer.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;
using testing::PickleBuilder;

constexpr std::size_t kMebibyte = std::size_t{1} << 20;
constexpr std::size_t kLargestPickle = 64 * kMebibyte;
constexpr std::size_t kLargestDirectory = 64 * kMebibyte;  // of a zip archive
constexpr std::size_t kLargestHeader = 100'000'000;        // of a safetensors file
constexpr std::size_t kLargestWeightMap = 64 * kMebibyte;

std::string repeat(std::string_view text, std::size_t count) {
  const std::size_t size = text.size() * count;
  std::string out(text);
  out.reserve(size);
  while (out.size() < size) out.append(out, 0, size - out.size());
  return out;
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
    if (!fs::exists(judge_.file("large.wpack"))) return;
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
    fs::remove_all(judge_.file("large.wpack"));
    fs::remove(judge_.file("back.safetensors"));
    fs::remove(judge_.file("back.pth"));
  }

  Judge judge_;
};

const Expected kTooMuchMetadata{6, {"large.file: ", "metadata takes more than 192 MiB"}};

std::string checkpoint_of(std::string pickle) {
  return testing::checkpoint_zip(std::move(pickle), {"abcdefgh"}).build();
}

// A pickle as large as any that is read: `front`, and `text` again and again.
std::string bomb(std::string_view front, std::string_view text) {
  const std::size_t room = kLargestPickle - front.size() - 1;
  return std::string(front) + repeat(text, room / text.size()) + ".";
}

struct Bomb {
  const char* what;
  std::string_view front;
  std::string_view text;
};

TEST_F(CapTest, PicklesThatGrowInMemoryAreRefused) {
  for (const Bomb& row : std::vector<Bomb>{
           {"a stack of nothing", "\x80\x02", "N"},
           {"marks", "\x80\x02", "("},
           {"lists", "\x80\x02", "]"},
           {"tuples in tuples", "\x80\x02N", "\x85"},
           {"a list that grows by one", "\x80\x02]", "Na"},
           {"floats", "\x80\x02(", "G\0\0\0\0\0\0\0\0"sv},
           {"texts", "\x80\x02(", "X\0\0\0\0"sv},
           {"a memo that grows by one", "\x80\x04N", "\x94"},
           {"globals", "\x80\x02(", "ca\nb\n"},
           {"objects", "\x80\x02\x63m\nC\nq\0"sv, "h\0)R"sv},
       }) {
    SCOPED_TRACE(row.what);
    expect_refused(checkpoint_of(bomb(row.front, row.text)), kTooMuchMetadata);
  }
}

TEST_F(CapTest, MemosWithGapsAreRefused) {
  PickleBuilder builder;
  builder.none();
  for (std::size_t i = 0; i < 10'000'000; ++i) builder.raw("r").number(1'000'000 + 2 * i, 4);
  expect_refused(checkpoint_of(builder.stop()), kTooMuchMetadata);
}

// {"text": as many bytes as fit, "w": a tensor}
std::string pickle_of_size(std::size_t size) {
  const auto with_text = [](const std::string& text) {
    return PickleBuilder().empty_dict().weight("w").key("text").string(text).set_item().stop();
  };
  return with_text(std::string(size - with_text("").size(), 's'));
}

TEST_F(CapTest, PicklesMayHave64Mebibytes) {
  expect_packed(checkpoint_of(pickle_of_size(kLargestPickle)));
  expect_refused(checkpoint_of(pickle_of_size(kLargestPickle + 1)),
                 {6, {"data.pkl of 67108865 bytes is larger than is read"}});
}

// {"d": {"d": ... {"w": a tensor}}}, beside a tensor at the top, which is the root for it.
std::string nested(std::size_t depth) {
  PickleBuilder builder;
  builder.empty_dict().weight("top");
  for (std::size_t i = 1; i < depth; ++i) builder.open("d");
  builder.weight("w");
  for (std::size_t i = 1; i < depth; ++i) builder.close();
  return checkpoint_of(builder.stop());
}

TEST_F(CapTest, DictionariesMayBe256Deep) {
  expect_packed(nested(256));
  expect_refused(nested(257), {6, {"large.file: ", "is nested more than 256 deep"}});
}

// A checkpoint beside whose members stand as many empty ones as make a directory of `size` bytes.
std::string archive_of(std::size_t size) {
  testing::ZipBuilder zip = testing::small_zip();
  const auto entry_size = [](std::string_view name) { return 46 + name.size(); };
  std::size_t left = size;
  for (const testing::ZipEntry& entry : zip.entries) left -= entry_size(entry.name);
  const std::size_t each = entry_size("archive/0000000");
  for (std::size_t i = 0; left >= 2 * each; ++i, left -= each)
    zip.add(fmt::format("archive/{:07}", i), "");
  zip.add("archive/" + std::string(left - entry_size("archive/"), 'n'), "");
  zip.zip64_end = true;
  zip.end64_entry_count = zip.entries.size();
  zip.entry_count = 0xFFFF;  // the other record says
  return zip.build();
}

TEST_F(CapTest, DirectoriesOfArchivesMayHave64Mebibytes) {
  expect_packed(archive_of(kLargestDirectory));
  expect_refused(archive_of(kLargestDirectory + 1),
                 {6, {"its central directory", "67108865 bytes is larger than is read"}});
}

// Members of 30 MiB of zeros that no tensor needs, and that are inflated all the same to check
// them.
testing::ZipBuilder with_inflated(std::size_t count) {
  testing::ZipBuilder zip = testing::small_zip();
  const auto zeros = testing::deflate_once(std::string(30 * kMebibyte, '\0'));
  for (std::size_t i = 0; i < count; ++i) zip.add(fmt::format("archive/{}", i), zeros);
  return zip;
}

TEST_F(CapTest, DeflatedMembersMayInflateToFourGibibytes) {
  constexpr std::size_t kMost = 4096 / 30;
  expect_packed(with_inflated(kMost).build());
  expect_refused(
      with_inflated(kMost + 4).build(),
      {6, {"large.file: zip archive: its deflated members, up to '13", "inflate to more than"}});
}

TEST_F(CapTest, MembersThatTakeTurnsAreNotInflatedForEver) {
  const std::string half(17 * kMebibyte, '\0');
  PickleBuilder pickle;
  pickle.empty_dict();
  for (std::size_t i = 0; i < 9'000; ++i) {
    pickle.key(fmt::format("{}", i))
        .tensor(i % 2 == 0 ? "0" : "1", 4'456'448, {1}, {1}, static_cast<std::int64_t>(i))
        .set_item();
  }
  testing::ZipBuilder zip = testing::checkpoint_zip(pickle.stop(), {half, half});
  zip.entry("archive/data/0").deflate = true;
  zip.entry("archive/data/1").deflate = true;
  expect_refused(zip.build(), {6, {"large.file: ", "inflates them again and again"}});
}

// A header of as many bytes as `size` says: `text`, and spaces.
std::string padded(std::string text, std::size_t size, std::size_t payload_size) {
  text.resize(size, ' ');
  return testing::safetensors_file(text, payload_size);
}

TEST_F(CapTest, HeadersMayHaveAsManyBytesAsTheFormatSays) {
  const std::string one = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  expect_packed(padded(one, kLargestHeader, 1));
  expect_refused(padded(one, kLargestHeader + 1, 1),
                 {3, {"header of 100000001 bytes, more than the format's 100000000"}});
}

// `count` empty tensors with names of `name_size` bytes.
std::string header_of(std::size_t count, std::size_t name_size) {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i) {
    text += fmt::format(R"({}"{:0{}}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                        i == 0 ? "" : ",", i, name_size);
  }
  return text + "}";
}

// As MemoryMeter::add_tensor() counts them.
std::size_t most_tensors(std::size_t name_size) {
  return 192 * kMebibyte / (720 + 8 * name_size + 32);
}

TEST_F(CapTest, TensorsAreAsManyAsTheBudgetOfMetadataHolds) {
  for (const std::size_t name_size : {std::size_t{7}, std::size_t{4096}}) {
    SCOPED_TRACE(name_size);
    const std::size_t most = most_tensors(name_size);
    const auto contents = [&](std::size_t count) {
      return testing::safetensors_file(header_of(count, name_size), 0);
    };
    expect_packed(contents(most));
    expect_refused(contents(most + 1), kTooMuchMetadata);
  }
}

// One tensor under `count` names. How each is read is kept beside its description.
std::string tied(std::size_t count) {
  PickleBuilder builder;
  builder.empty_dict().key("0000000").tensor("0", 2, {2}, {1}).put(0).set_item();
  for (std::size_t i = 1; i < count; ++i) builder.key(fmt::format("{:07}", i)).get(0).set_item();
  return checkpoint_of(builder.stop());
}

TEST_F(CapTest, NamesOfOneTensorAreAsManyAsTheBudgetOfMetadataHolds) {
  expect_packed(tied(most_tensors(7) / 8 * 7));
  expect_refused(tied(most_tensors(7) + 1), kTooMuchMetadata);
}

TEST_F(CapTest, TensorsOfAllFilesOfAFolderAreCountedTogether) {
  const std::size_t each = most_tensors(7) / 10;
  for (std::size_t file = 0; file < 11; ++file) {
    std::string text = "{";
    for (std::size_t i = 0; i < each; ++i) {
      text += fmt::format(R"({}"{:07}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                          i == 0 ? "" : ",", file * each + i);
    }
    judge_.write(fmt::format("model-{:05}-of-00011.safetensors", file + 1),
                 testing::safetensors_file(text + "}", 0));
  }
  judge_.expect_refusal({"pack", "@", "-o", "@/refused.wpack"},
                        {6, {"-of-00011.safetensors: its metadata takes more than 192 MiB"}});
}

TEST_F(CapTest, HeadersThatGrowInMemoryAreRefused) {
  expect_refused(testing::safetensors_file(header_of(1'600'000, 7), 0), kTooMuchMetadata);
  std::string fields = R"({"w":{)";
  std::size_t number = 0;
  for (int depth = 0; depth < 60; ++depth) {
    for (int i = 0; i < 4000; ++i) fields += fmt::format(R"("{:0390}":0,)", number++);
    fields += R"("d":{)";
  }
  expect_refused(testing::safetensors_file(fields, 0), kTooMuchMetadata);
}

// A header of one tensor and of metadata whose keys and values take `size` bytes.
std::string with_metadata(std::size_t count, std::size_t size) {
  std::string text = R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{)";
  const std::size_t each = size / count;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t value = (i + 1 == count ? size - i * each : each) - 6;
    text += fmt::format(R"({}"{:06}":"{}")", i == 0 ? "" : ",", i, std::string(value, 'v'));
  }
  return testing::safetensors_file(text + "}}", 1);
}

TEST_F(CapTest, MetadataMayHave8MebibytesIn65536Entries) {
  expect_packed(with_metadata(1, 8 * kMebibyte));
  expect_packed(with_metadata(65'536, 8 * kMebibyte));
  expect_refused(with_metadata(2, 8 * kMebibyte + 1),
                 {6, {"large.file: __metadata__ has more than 8388608 bytes"}});
  expect_refused(with_metadata(65'537, kMebibyte),
                 {6, {"large.file: __metadata__ has more than 65536 entries"}});
}

TEST_F(CapTest, TextsAndNumbersOfMoreThan8MebibytesAreRefused) {
  const Expected expected{6,
                          {"large.file: it holds a text or number of more than 8388608 bytes "
                           "(header offset "}};
  expect_refused(padded(R"({"__metadata__":{"k":")" + std::string(90'000'000, 'v') + R"("}})",
                        kLargestHeader, 1),
                 expected);
  expect_refused(padded(R"({"w":)" + std::string(90'000'000, '1') + "}", kLargestHeader, 1),
                 expected);
}

// The index of a sharded checkpoint, of `count` tensors in files of `name(i)`.
std::string weight_map_of(std::size_t count, const std::function<std::string(std::size_t)>& name) {
  std::string text = R"({"weight_map":{)";
  for (std::size_t i = 0; i < count; ++i)
    text += fmt::format(R"({}"{:x}":"{}")", i == 0 ? "" : ",", i, name(i));
  return text + "}}";
}

TEST_F(CapTest, IndexesOfShardedCheckpointsAreReadWithinTheirCaps) {
  const auto one = [](std::size_t) { return "m.safetensors"; };
  const auto each = [](std::size_t i) { return fmt::format("{}.safetensors", i); };
  judge_.write("m.safetensors", testing::safetensors_file(
                                    R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1));
  const auto expect = [&](std::string text, const Expected& expected) {
    SCOPED_TRACE(text.substr(0, 64));
    judge_.write("large.index.json", text);
    judge_.expect_refusal({"pack", "@/large.index.json", "-o", "@/large.wpack"}, expected);
  };
  std::string padding = weight_map_of(1, one);
  padding.resize(kLargestWeightMap, ' ');
  expect(padding, {3, {"tensor \"0\" is not in m.safetensors"}});
  expect(padding + " ", {6, {"an index of 67108865 bytes, more than the 67108864 that are read"}});
  expect(weight_map_of(2'097'152, one), {3, {"is not in m.safetensors"}});
  expect(weight_map_of(2'097'153, one), {6, {"weight_map has more than 2097152 tensors"}});
  expect(weight_map_of(16'384, each), {5, {"names files that are not there", "and 16381 more"}});
  expect(weight_map_of(16'385, each), {6, {"it names more than 16384 files"}});
}

}  // namespace
}  // namespace wpack::refusals
