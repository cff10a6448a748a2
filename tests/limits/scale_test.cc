// Many tensors, long names, and a tensor that 32 bits cannot count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "cli/sources.h"
#include "support/result_matchers.h"
#include "wpack/container.h"

namespace wpack::limits {
namespace {

namespace fs = std::filesystem;
using cli::Arguments;
using cli::Json;
using cli::Outcome;
using testing::IsOk;
using testing::TempDir;

void expect_success(const Arguments& arguments) {
  const Outcome outcome = cli::run(arguments);
  ASSERT_EQ(outcome.status, 0) << arguments[0] << ": " << outcome.err;
}

TEST(ManyTensorsTest, AHundredThousandComeBackByteForByte) {
  constexpr std::size_t kCount = 100'000;
  constexpr std::uint64_t kBytes = 4;
  const TempDir directory;
  std::vector<cli::TensorSpec> tensors;
  const std::string payload = cli::noise(kCount * kBytes, 1);
  for (std::size_t i = 0; i < kCount; ++i) {
    tensors.push_back({"model.layers." + std::to_string(i / 10) + ".part" + std::to_string(i % 10),
                       "F32",
                       {1},
                       payload.substr(i * kBytes, kBytes)});
  }
  const std::string source = directory.write("m.safetensors", cli::safetensors_file(tensors));
  const std::string container = directory.file("m.wpack");
  expect_success({"pack", source, "-o", container});
  expect_success({"verify", container});
  expect_success({"load", container});
  expect_success({"unpack", container, "-o", directory.file("back.safetensors")});
  expect_success({"ls", container, "--json"});
  ASSERT_OK_AND_ASSIGN(const Container opened, Container::open(container));
  std::size_t same = 0;
  for (const cli::TensorSpec& expected : tensors) {
    const auto tensor = opened.tensor(expected.name);
    same += tensor && std::memcmp(tensor->bytes().data(), expected.bytes.data(), kBytes) == 0;
  }
  EXPECT_EQ(same, kCount);
  // The same tensors again, whatever order and metadata the file writes them with.
  expect_success({"pack", directory.file("back.safetensors"), "-o", directory.file("again.wpack")});
  EXPECT_TRUE(testing::read_file(container + "/00000.wps").substr(4096) ==
              testing::read_file(directory.file("again.wpack/00000.wps")).substr(4096));
}

// A name of `size` bytes: letters of two bytes, and a control character.
std::string long_name(std::size_t size) {
  std::string name = "\x1b.";
  while (name.size() + 2 <= size) name += "\xc3\xa9";
  name.resize(size, 'x');
  return name;
}

TEST(LongNamesTest, FourKibibytesTravelThroughEveryCommand) {
  const TempDir directory;
  const std::string name = long_name(4096);
  const std::string model = cli::safetensors_file({{name, "U8", {3}, "abc"}});
  const std::string container = cli::pack_file(directory, "m", model);
  EXPECT_TRUE(cli::run_json({"ls", container, "--json"})["tensors"][0]["name"] == name);
  expect_success({"verify", container});
  expect_success({"inspect", container});
  expect_success({"load", container});
  expect_success({"unpack", container, "-o", directory.file("back.safetensors")});
  EXPECT_TRUE(testing::read_file(directory.file("back.safetensors")) == model);
  expect_success({"unpack", container, "-o", directory.file("back.pth")});
  expect_success({"pack", directory.file("back.pth"), "-o", directory.file("again.wpack")});
  const Json again = cli::run_json({"ls", directory.file("again.wpack"), "--json"});
  EXPECT_TRUE(again["tensors"][0]["name"] == name);
}

TEST(LongNamesTest, OneByteMoreIsRefusedInOneShortLine) {
  const TempDir directory;
  const std::string source = directory.write(
      "m.safetensors", cli::safetensors_file({{long_name(4097), "U8", {3}, "abc"}}));
  const Outcome outcome = cli::run({"pack", source, "-o", directory.file("m.wpack")});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_LE(outcome.err.size(), 4096U);
  EXPECT_EQ(outcome.err.find('\n'), outcome.err.size() - 1);
}

// Writes `text` at `offset` of a file that exists.
void write_at(const std::string& path, std::uint64_t offset, const std::string& text) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  ASSERT_TRUE(file << text << std::flush);
}

// The source is a hole but for marks at places where an offset of 32 bits would go wrong.
constexpr std::uint64_t kLargeTensor = (std::uint64_t{4} << 30) + (1 << 20) + 4;  // bytes
constexpr std::uint64_t kMarks[] = {0, (std::uint64_t{1} << 31) - 2, (std::uint64_t{1} << 32) - 2,
                                    kLargeTensor - 4};

// Returns the path of a safetensors file, sparse but for its marks.
std::string write_large_tensor(const TempDir& directory) {
  const std::string header = cli::safetensors_header(1, kLargeTensor);
  const std::string source = directory.write("m.safetensors", header);
  fs::resize_file(source, header.size() + kLargeTensor);
  for (const std::uint64_t mark : kMarks) write_at(source, header.size() + mark, "mark");
  return source;
}

// Expects a container of that tensor that is sound, as far as its own checksums say, and has the
// marks in their places.
void expect_marks(const std::string& container) {
  expect_success({"verify", container});
  ASSERT_OK_AND_ASSIGN(const Container opened, Container::open(container));
  ASSERT_OK_AND_ASSIGN(const Tensor tensor, opened.tensor(0));
  ASSERT_EQ(tensor.bytes().size(), kLargeTensor);
  for (const std::uint64_t mark : kMarks) {
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(tensor.bytes().data() + mark), 4), "mark")
        << mark;
  }
}

// Behind 4 GiB, an archive's offsets and sizes are those of zip64.
TEST(LargeTensorTest, BeyondFourGibibytesGoesIntoAPyTorchCheckpointAndBack) {
  const TempDir directory;
  if (fs::space(directory.path()).available < 2 * kLargeTensor) {
    GTEST_SKIP() << "needs 9 GB of disk space";
  }
  const std::string source = write_large_tensor(directory);
  const std::string container = directory.file("m.wpack");
  const std::string checkpoint = directory.file("m.pth");
  expect_success({"pack", source, "-o", container});
  fs::remove(source);
  expect_success({"unpack", container, "-o", checkpoint});
  fs::remove_all(container);
  expect_success({"pack", checkpoint, "-o", container});
  fs::remove(checkpoint);
  expect_marks(container);
}

}  // namespace
}  // namespace wpack::limits
