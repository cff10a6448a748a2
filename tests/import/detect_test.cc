#include "import/detect.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/safetensors_bytes.h"

namespace wpack::import {
namespace {

using namespace std::string_literals;

Detection detect(const std::string& file) {
  const auto front = std::as_bytes(std::span(file)).first(std::min<std::size_t>(file.size(), 4096));
  return detect_file(front, file.size());
}

struct ForeignFile {
  std::string label;
  std::string bytes;
  std::string part;  // of the refusal
};

class DetectForeignTest : public ::testing::TestWithParam<ForeignFile> {};

TEST_P(DetectForeignTest, RejectsItByItsName) {
  const Detection detection = detect(GetParam().bytes);
  EXPECT_EQ(detection.format, FileFormat::kRefused);
  EXPECT_NE(detection.refusal.find(GetParam().part), std::string::npos) << detection.refusal;
  EXPECT_EQ(detection.refusal.find('\n'), std::string::npos);
}

std::string zip_with(const std::string& first_member) {
  std::string header = "PK\x03\x04"s + std::string(22, '\0');
  header += static_cast<char>(first_member.size());
  header += std::string(3, '\0');
  return header + first_member + std::string(64, 'x');
}

std::vector<ForeignFile> foreign_files() {
  const std::string tail(300, 'x');
  return {
      {"Empty", "", "is empty"},
      {"OneByte", "x", "too small to be a checkpoint (1 bytes)"},
      {"NineBytes", "123456789", "too small"},
      {"Unknown", "\x01\x02\x03" + tail, "no format that wpack knows (it begins with 01 02 03 78"},
      {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
       "Git LFS pointer"},
      {"Html", "<!DOCTYPE html><html>" + tail, "HTML page"},
      {"HtmlInLowerCaseBehindSpace", "\n  <html lang=\"en\">" + tail, "HTML page"},
      {"Xml", "<?xml version=\"1.0\"?><Error>" + tail, "XML document"},
      {"Json", R"({"architectures": ["X"], "hidden_size": 3})", "JSON text"},
      {"WpackFile", "\x89WPK\r\n\x1a\n" + tail, "one file of a wpack container"},
      {"Gguf", "GGUF\x03\0\0\0"s + tail, "GGML model file"},
      {"Ggml", "lmgg\x01\0\0\0"s + tail, "GGML model file"},
      {"OnnxRuntime", "\x20\0\0\0ORTM"s + tail, "ONNX Runtime model"},
      {"ExecuTorch", "\x20\0\0\0ET12"s + tail, "ExecuTorch program"},
      {"ExecuTorchData", "\x20\0\0\0FT01"s + tail, "ExecuTorch data"},
      {"TensorFlowLite", "\x1c\0\0\0TFL3"s + tail, "TensorFlow Lite"},
      {"TorchMobile", "\x1c\0\0\0PTMF"s + tail, "PyTorch Mobile"},
      {"PreReleaseTorchScript", "PYTORCH1" + tail, "TorchScript"},
      {"Gzip", "\x1f\x8b\x08\0\0\0\0\0"s + tail, "compressed as a whole (gzip)"},
      {"Zstd", "\x28\xb5\x2f\xfd" + tail, "compressed as a whole (zstd)"},
      {"Xz", "\xfd\x37zXZ\0"s + tail, "compressed as a whole (xz)"},
      {"Hdf5", "\x89HDF\r\n\x1a\n" + tail, "HDF5"},
      {"Npy", "\x93NUMPY\x01\0"s + tail, "NumPy array"},
      {"Npz", zip_with("weights.npy"), "NumPy archive"},
      {"Keras", zip_with("metadata.json"), "Keras model"},
      {"EmptyZip", "PK\x05\x06" + std::string(18, '\0'), "empty zip"},
      {"LegacyTorch", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02" + tail,
       "before PyTorch 1.6"},
      {"Tar", std::string(257, 'n') + "ustar" + tail, "tar archive"},
      {"BarePickle2", "\x80\x02}q" + tail, "bare pickle"},
      {"BarePickle4", "\x80\x04\x95" + tail, "bare pickle"},
      {"Onnx", "\x08\x07\x12\x07pytorch\x1a\x05" + tail, "ONNX model"},
  };
}

INSTANTIATE_TEST_SUITE_P(Formats, DetectForeignTest, ::testing::ValuesIn(foreign_files()),
                         [](const auto& row) { return row.param.label; });

TEST(DetectTest, ReturnsSafetensorsForAnObjectBehindTheLength) {
  EXPECT_EQ(detect(testing::safetensors_file("{}", 0)).format, FileFormat::kSafetensors);
  EXPECT_EQ(detect(testing::safetensors_file("\n\t {}", 3)).format, FileFormat::kSafetensors);
  EXPECT_EQ(detect(testing::safetensors_file(std::string(5000, ' ') + "{}", 3)).format,
            FileFormat::kSafetensors);
}

TEST(DetectTest, ReturnsIndexForObjectsWithAWeightMap) {
  EXPECT_EQ(detect(R"({"metadata":{"total_size":1},"weight_map":{"a":"b"}})").format,
            FileFormat::kIndex);
  EXPECT_EQ(detect("\n {\"weight_map\"").format, FileFormat::kIndex);
  EXPECT_EQ(detect(R"(["weight_map"])").format, FileFormat::kRefused);
}

// 0x8b1f bytes spell gzip, 0x0280 a pickle, 0x04034b50 a zip archive.
TEST(DetectTest, ReturnsSafetensorsForLengthsThatSpellOtherFormats) {
  for (const std::uint64_t length : {0x8b1fU, 0x0280U, 0x04034b50U, 0x46554747U}) {
    const std::string file = testing::length_field(length) + "{" + std::string(8000, ' ');
    EXPECT_EQ(detect(file).format, FileFormat::kSafetensors) << length;
  }
}

TEST(DetectTest, LeavesImpossibleLengthsToTheReaderThatCanNameThem) {
  EXPECT_EQ(detect(testing::length_field(~std::uint64_t{0}) + "{}" + std::string(90, ' ')).format,
            FileFormat::kSafetensors);
}

TEST(DetectTest, ReturnsTorchZipForZipArchives) {
  EXPECT_EQ(detect(zip_with("archive/data.pkl")).format, FileFormat::kTorchZip);
}

TEST(DetectTest, SurvivesEveryTruncationOfEveryForeignFile) {
  for (const ForeignFile& file : foreign_files()) {
    for (std::size_t size = 0; size <= std::min<std::size_t>(file.bytes.size(), 300); ++size) {
      const Detection detection = detect(file.bytes.substr(0, size));
      EXPECT_EQ(detection.format == FileFormat::kRefused, !detection.refusal.empty());
    }
  }
}

}  // namespace
}  // namespace wpack::import
