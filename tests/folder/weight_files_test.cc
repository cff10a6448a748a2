#include "folder/weight_files.h"

#include <gtest/gtest.h>

#include "folder/attachment_rule.h"
#include "support/result_matchers.h"

namespace wpack::folder {
namespace {

using testing::Fails;
using Names = std::vector<std::string>;

// What is chosen: the index with its rival, or the files.
struct Chosen {
  const char* name;
  Names folder;
  std::string index;
  Names files;
  std::string rival = {};
};
void PrintTo(const Chosen& row, std::ostream* out) { *out << row.name; }

class ChosenWeightsTest : public ::testing::TestWithParam<Chosen> {};

TEST_P(ChosenWeightsTest, AreTheOnesThatEveryProgramReads) {
  const Chosen& row = GetParam();
  ASSERT_OK_AND_ASSIGN(const WeightFiles weights, choose_weights(row.folder));
  EXPECT_EQ(weights.index, row.index);
  EXPECT_EQ(weights.files, row.files);
  EXPECT_EQ(weights.rival, row.rival);
}

const std::vector<Chosen> kChosen = {
    {"Nothing", {"config.json", "README.md", "model.onnx"}, "", {}},
    {"SingleSafetensors",
     {"config.json", "model.safetensors", "tokenizer.json"},
     "",
     {"model.safetensors"}},
    {"SingleTorch", {"pytorch_model.bin"}, "", {"pytorch_model.bin"}},
    {"AnyOneSafetensors", {"v1-5-pruned.safetensors"}, "", {"v1-5-pruned.safetensors"}},
    {"AnyOneModelBin", {"diffusion_pytorch_model.bin"}, "", {"diffusion_pytorch_model.bin"}},
    {"Index",
     {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      "model.safetensors.index.json"},
     "model.safetensors.index.json",
     {}},
    {"TorchIndex",
     {"pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"},
     "pytorch_model.bin.index.json",
     {}},
    {"IndexOfAnyName",
     {"diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model.bin"},
     "diffusion_pytorch_model.safetensors.index.json",
     {}},
    {"Set",
     {"model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors"},
     "",
     {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}},
    {"SetOfOne", {"model-1-of-1.safetensors"}, "", {"model-1-of-1.safetensors"}},
    {"SetOfTen",
     {"m-10-of-10.bin", "m-01-of-10.bin", "m-02-of-10.bin", "m-03-of-10.bin", "m-04-of-10.bin",
      "m-05-of-10.bin", "m-06-of-10.bin", "m-07-of-10.bin", "m-08-of-10.bin", "m-09-of-10.bin"},
     "",
     {"m-01-of-10.bin", "m-02-of-10.bin", "m-03-of-10.bin", "m-04-of-10.bin", "m-05-of-10.bin",
      "m-06-of-10.bin", "m-07-of-10.bin", "m-08-of-10.bin", "m-09-of-10.bin", "m-10-of-10.bin"}},
    {"SafetensorsBeforeTorch",
     {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.safetensors"},
     "",
     {"model.safetensors"}},
    {"ModelBeforeOtherNames",
     {"consolidated.safetensors", "model.safetensors.index.json", "zero.safetensors"},
     "model.safetensors.index.json",
     {}},
    {"PyTorchModelBeforeOtherNames",
     {"adapter_model.bin", "pytorch_model.bin"},
     "",
     {"pytorch_model.bin"}},
    {"ModelBeforeItsVariants",
     {"model.fp16.safetensors", "model.safetensors"},
     "",
     {"model.safetensors"}},
    {"VariantAlone",
     {"model.fp16-00001-of-00001.safetensors", "model.safetensors.index.fp16.json"},
     "model.safetensors.index.fp16.json",
     {}},
    {"VariantInFront",
     {"model.fp16.safetensors.index.json"},
     "model.fp16.safetensors.index.json",
     {}},
    {"VariantInTheMiddle", {"m.safetensors.fp16.index.json"}, "m.safetensors.fp16.index.json", {}},
    {"SingleFileOfAnIndex",
     {"model.safetensors", "model.safetensors.index.json"},
     "model.safetensors.index.json",
     {},
     "model.safetensors"},
    {"OtherSetBesideAnIndex",
     {"model-00001-of-00008.safetensors", "model-00001-of-00004.safetensors",
      "model.safetensors.index.json"},
     "model.safetensors.index.json",
     {}},
    {"NamesAlmostOfASet",
     {"-1-of-2.safetensors", "1-of-2.safetensors", "model-1-of-22.safetensors",
      "model-a-of-2.safetensors", "model-1-of-b.safetensors", "model--of-.safetensors",
      "model-1234567890-of-1234567890.safetensors", "model.safetensors", "xsafetensors"},
     "",
     {"model.safetensors"}},
    {"NoWeightsByTheirNames",
     {"training_args.bin", "optimizer.bin", "scheduler.bin", ".hidden.safetensors", ".safetensors",
      "index.json", "model.index.json", "safetensors.index.json.bak", "model.safetensors.json"},
     "",
     {}},
    {"TrainingFilesBesideWeights",
     {"training_args.bin", "pytorch_model.bin", "optimizer.pt"},
     "",
     {"pytorch_model.bin"}},
};

INSTANTIATE_TEST_SUITE_P(Folder, ChosenWeightsTest, ::testing::ValuesIn(kChosen),
                         [](const auto& row) { return std::string(row.param.name); });

struct RefusedFolder {
  const char* name;
  Names folder;
  ErrorCode code;
  const char* part;
};
void PrintTo(const RefusedFolder& row, std::ostream* out) { *out << row.name; }

class RefusedFolderTest : public ::testing::TestWithParam<RefusedFolder> {};

TEST_P(RefusedFolderTest, NamesTheFiles) {
  EXPECT_THAT(choose_weights(GetParam().folder), Fails(GetParam().code, GetParam().part));
}

const std::vector<RefusedFolder> kRefusedFolders = {
    {"TwoNames",
     {"a.safetensors", "b.safetensors"},
     ErrorCode::kBadInput,
     "holds both a.safetensors and b.safetensors"},
    {"TwoTorchNames",
     {"adapter_model.bin", "other_model.bin"},
     ErrorCode::kBadInput,
     "holds both adapter_model.bin and other_model.bin"},
    {"TwoVariants",
     {"model.bf16.safetensors", "model.fp16.safetensors"},
     ErrorCode::kBadInput,
     "holds both model.bf16.safetensors and model.fp16.safetensors"},
    {"TwoIndexesOfOneName",
     {"model.fp16.safetensors.index.json", "model.safetensors.index.fp16.json"},
     ErrorCode::kBadInput,
     "holds both model.fp16.safetensors.index.json and model.safetensors.index.fp16.json"},
    {"SingleFileBesideASet",
     {"model.safetensors", "model-00001-of-00001.safetensors"},
     ErrorCode::kBadInput,
     "holds both model.safetensors and model-00001-of-00001.safetensors"},
    {"TwoSets",
     {"model-00001-of-00001.safetensors", "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors"},
     ErrorCode::kBadInput,
     "holds both model-00001-of-00001.safetensors and model-00001-of-00002.safetensors"},
    {"FirstOfASetIsMissing",
     {"model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"},
     ErrorCode::kIo,
     "has 2 of 3 files: model-00001-of-00003.safetensors is missing"},
    {"MiddleOfASetIsMissing",
     {"model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"},
     ErrorCode::kIo,
     "has 2 of 3 files: model-00002-of-00003.safetensors is missing"},
    {"LastOfASetIsMissing",
     {"pytorch_model.fp16-00001-of-00002.bin"},
     ErrorCode::kIo,
     "has 1 of 2 files: pytorch_model.fp16-00002-of-00002.bin is missing"},
    {"SetFromZero",
     {"model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors",
      "model-00002-of-00002.safetensors"},
     ErrorCode::kBadInput,
     "its files count from 0 (model-00000-of-00002.safetensors)"},
    {"SetPastItsTotal",
     {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
      "model-00003-of-00002.safetensors"},
     ErrorCode::kBadInput,
     "file model-00003-of-00002.safetensors counts past its own total"},
    {"SetOfZero",
     {"model-00001-of-00000.safetensors"},
     ErrorCode::kBadInput,
     "model-00001-of-00000.safetensors counts past its own total"},
    {"HugeTotal",
     {"model-000000001-of-999999999.safetensors"},
     ErrorCode::kIo,
     "has 1 of 999999999 files: model-000000002-of-999999999.safetensors is missing"},
    {"EscapesNames",
     {"a\x1b.safetensors", "b\n.safetensors"},
     ErrorCode::kBadInput,
     "a\\x1b.safetensors and b\\x0a.safetensors"},
};

INSTANTIATE_TEST_SUITE_P(Folder, RefusedFolderTest, ::testing::ValuesIn(kRefusedFolders),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(WeightFilesTest, TellsWeightsAndIndexesByName) {
  for (const char* name : {"model.safetensors", "pytorch_model.bin", "model-1-of-2.safetensors",
                           "model.safetensors.index.json", "pytorch_model.bin.index.fp16.json"})
    EXPECT_TRUE(is_weight_name(name)) << name;
  for (const char* name : {"training_args.bin", "config.json", "model.onnx", ".x.safetensors"})
    EXPECT_FALSE(is_weight_name(name)) << name;
  EXPECT_TRUE(is_index_name("model.safetensors.index.json"));
  EXPECT_FALSE(is_index_name("model.safetensors"));
  EXPECT_FALSE(is_index_name("model_index.json"));
}

TEST(AttachmentRuleTest, TakesWhatProgramsNeedBesideTheWeights) {
  for (const char* name : {"config.json",
                           "generation_config.json",
                           "tokenizer.json",
                           "tokenizer_config.json",
                           "special_tokens_map.json",
                           "vocab.json",
                           "vocab.txt",
                           "merges.txt",
                           "tokenizer.model",
                           "tokenizer.model.v3",
                           "spiece.model",
                           "sentencepiece.bpe.model",
                           "qwen.tiktoken",
                           "chat_template.jinja",
                           "chat_template.json",
                           "preprocessor_config.json",
                           "tekken.json",
                           "params.json",
                           "source.spm",
                           "codes.bpe",
                           "modeling_x.py",
                           "README.md",
                           "LICENSE",
                           "LICENSE.pdf",
                           "NOTICE"})
    EXPECT_TRUE(is_attached(name)) << name;
}

TEST(AttachmentRuleTest, LeavesOutWeightsIndexesAndHiddenFiles) {
  for (const char* name :
       {"model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "x.onnx",
        "training_args.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json",
        ".gitattributes", ".config.json", ".json", "json", "optimizer.pt", "original", "x.gguf"})
    EXPECT_FALSE(is_attached(name)) << name;
}

}  // namespace
}  // namespace wpack::folder
