#include "refusals/bad_folders.h"

#include <sys/stat.h>

#include <filesystem>

#include "support/checkpoint_builder.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using testing::kIndexName;
using testing::model_shard;
using testing::ModelFolder;

const char* const kFirst = "model-00001-of-00003.safetensors";
const char* const kSecond = "model-00002-of-00003.safetensors";
const char* const kThird = "model-00003-of-00003.safetensors";

auto map_to(const char* tensor, const char* file) {
  return [=](ModelFolder& folder) { folder.index["weight_map"][tensor] = file; };
}
auto contents(const char* file, std::string bytes) {
  return [=](ModelFolder& folder) { folder.write(file, bytes); };
}
auto remove_files(const std::vector<std::string>& files) {
  return [=](ModelFolder& folder) {
    for (const std::string& file : files) fs::remove(folder.file(file));
  };
}
auto link_to(const char* file, const char* target) {
  return [=](ModelFolder& folder) {
    fs::remove(folder.file(file));
    fs::create_symlink(target, folder.file(file));
  };
}
auto index_text(const std::string& text) {
  return [=](ModelFolder& folder) { folder.write(std::string(kIndexName), text); };
}
auto make_fifo(const char* file) {
  return [=](ModelFolder& folder) {
    fs::remove(folder.file(file));
    (void)::mkfifo(folder.file(file).c_str(), 0600);
  };
}

const std::vector<BadFolder> kRefusedIndexes = {
    {"FileMissing", ErrorCode::kIo,
     "model.safetensors.index.json: names files that are not there: "
     "model-00002-of-00003.safetensors",
     remove_files({kSecond})},
    {"FilesMissing", ErrorCode::kIo,
     "not there: model-00001-of-00003.safetensors, model-00002-of-00003.safetensors, "
     "model-00003-of-00003.safetensors and 1 more",
     [](ModelFolder& folder) {
       remove_files({kFirst, kSecond, kThird})(folder);
       folder.index["weight_map"]["x"] = "other.safetensors";
     }},
    {"FileIsADanglingLink", ErrorCode::kIo,
     "model-00002-of-00003.safetensors: open failed: No such file", link_to(kSecond, "nowhere")},
    {"FileIsALinkToItself", ErrorCode::kIo,
     "model-00002-of-00003.safetensors: open failed: Too many", link_to(kSecond, kSecond)},
    {"FileIsAFifo", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: is a FIFO",
     make_fifo(kSecond)},
    {"FileIsAFolder", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: is a directory",
     [](ModelFolder& folder) {
       fs::remove(folder.file(kSecond));
       fs::create_directory(folder.file(kSecond));
     }},
    {"FileIsADevice", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: is a device",
     link_to(kSecond, "/dev/zero")},
    {"FileIsAGitLfsPointer", ErrorCode::kBadInput,
     "model-00002-of-00003.safetensors: is a Git LFS pointer",
     contents(kSecond, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")},
    {"FileIsAWebPage", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: is an HTML page",
     contents(kSecond, "<!DOCTYPE html><html></html>")},
    {"FileIsEmpty", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: is empty",
     contents(kSecond, "")},
    {"FileIsCut", ErrorCode::kBadInput, "model-00002-of-00003.safetensors: tensor",
     [](ModelFolder& folder) {
       fs::resize_file(folder.file(kSecond), fs::file_size(folder.file(kSecond)) - 1);
     }},
    {"FileIsAnIndex", ErrorCode::kBadInput,
     "model-00002-of-00003.safetensors: is the index of a sharded checkpoint, not one of its files",
     contents(kSecond, R"({"weight_map":{"w":"f"}})")},
    {"FileIsOfAnotherFormat", ErrorCode::kBadInput,
     "model-00002-of-00003.safetensors: is torch-zip, but model-00001-of-00003.safetensors is "
     "safetensors",
     contents(kSecond, testing::small_zip().build())},
    {"FileIsTheIndexItself", ErrorCode::kBadInput,
     "model.safetensors.index.json: is the index of a sharded checkpoint, not one of its files",
     map_to("norm.weight", "model.safetensors.index.json")},
    {"TensorNowhere", ErrorCode::kBadInput,
     "model.safetensors.index.json: tensor \"ghost\" is not in model-00002-of-00003.safetensors, "
     "where model.safetensors.index.json says it is",
     map_to("ghost", kSecond)},
    {"TensorNowhereAndLastByName", ErrorCode::kBadInput,
     "tensor \"zzz\" is not in model-00001-of-00003.safetensors", map_to("zzz", kFirst)},
    {"TensorElsewhere", ErrorCode::kBadInput,
     "model.safetensors.index.json: tensor \"norm.weight\" is in model-00003-of-00003.safetensors, "
     "not in model-00001-of-00003.safetensors, where model.safetensors.index.json says it is",
     [](ModelFolder& folder) {
       folder.index["weight_map"]["norm.weight"] = kFirst;
       folder.shard(kThird, {{"norm.weight", "nnnn"}, {"bias", "b"}});
       folder.index["weight_map"]["norm.weight"] = kFirst;
     }},
    {"TensorDoubled", ErrorCode::kBadInput,
     "tensor \"norm.weight\" is both in model-00002-of-00003.safetensors and in "
     "model-00003-of-00003.safetensors",
     contents(kSecond, model_shard({{"layers.0.up", std::string(200, '0')},
                                    {"layers.0.down", std::string(100, 'd')},
                                    {"norm.weight", "mmmm"}}))},
    {"TensorDoubledOutsideOfTheIndex", ErrorCode::kBadInput,
     "tensor \"x\" is both in model-00001-of-00003.safetensors and in "
     "model-00003-of-00003.safetensors",
     [](ModelFolder& folder) {
       folder.write(kFirst, model_shard({{"embed.weight", std::string(300, 'e')}, {"x", "1"}}));
       folder.write(kThird, model_shard({{"norm.weight", "nnnn"}, {"x", "1"}}));
     }},
    {"FileInTheParentFolder", ErrorCode::kBadInput,
     "model.safetensors.index.json: tensor \"norm.weight\": its file \"../x.safetensors\" is not a "
     "plain name",
     map_to("norm.weight", "../x.safetensors")},
    {"AbsoluteFile", ErrorCode::kBadInput, "its file \"/etc/passwd\" is not a plain name",
     map_to("norm.weight", "/etc/passwd")},
    {"SingleFileBesideIt", ErrorCode::kBadInput,
     "holds both model.safetensors and model.safetensors.index.json, and programs differ",
     contents("model.safetensors", model_shard({{"w", "w"}}))},
    {"ForeignContainer", ErrorCode::kBadInput, "is a wpack container", contents("index.wpi", "x")},
    {"TooManyAttachments", ErrorCode::kLimit, "holds more than 1024 files to attach",
     [](ModelFolder& folder) {
       for (int i = 0; i < 1024; ++i) folder.write("a" + std::to_string(i) + ".json", "");
     }},
    {"AttachmentIsADanglingLink", ErrorCode::kIo, "config.json: open failed: No such file",
     link_to("config.json", "../../blobs/none")},
    {"AttachmentIsAFifo", ErrorCode::kBadInput, "config.json: is a FIFO", make_fifo("config.json")},
    {"AttachmentIsAFolder", ErrorCode::kBadInput, "config.json: is a directory",
     [](ModelFolder& folder) { fs::create_directory(folder.file("config.json")); }},
};

const std::vector<BadFolder> kRefusedIndexFiles = {
    {"IndexIsNoJson", ErrorCode::kBadInput, "model.safetensors.index.json: it is not valid JSON",
     index_text("weight_map"), false},
    {"IndexIsEmpty", ErrorCode::kBadInput, "model.safetensors.index.json: it is not valid JSON",
     index_text(""), false},
    {"IndexNamesNothing", ErrorCode::kBadInput, "its weight_map is empty",
     index_text(R"({"weight_map": {}})"), false},
    {"IndexIsADanglingLink", ErrorCode::kIo, "model.safetensors.index.json: open failed",
     link_to("model.safetensors.index.json", "nowhere"), false},
    {"IndexIsAFifo", ErrorCode::kBadInput, "model.safetensors.index.json: is a FIFO",
     make_fifo("model.safetensors.index.json"), false},
    {"IndexIsHuge", ErrorCode::kLimit,
     "model.safetensors.index.json: an index of 67108865 bytes, more than the 67108864 that are "
     "read",
     [](ModelFolder& folder) {
       folder.write(std::string(kIndexName), "{}");
       fs::resize_file(folder.file(kIndexName), (64 << 20) + 1);
     },
     false},
    {"SetIsIncomplete", ErrorCode::kIo,
     ": has 2 of 3 files: model-00001-of-00003.safetensors is missing", remove_files({kFirst}),
     false},
    {"SetHasATensorTwice", ErrorCode::kBadInput,
     ": tensor \"norm.weight\" is both in model-00001-of-00003.safetensors and in "
     "model-00003-of-00003.safetensors",
     contents(kFirst, model_shard({{"norm.weight", "nnnn"}})), false},
    {"SetAndSingleFile", ErrorCode::kBadInput,
     ": holds both model.safetensors and model-00001-of-00003.safetensors",
     contents("model.safetensors", model_shard({{"w", "w"}})), false},
};

constexpr const char* kTorchIndexName = "pytorch_model.bin.index.json";
constexpr const char* kTorchFirst = "pytorch_model-00001-of-00003.bin";
constexpr const char* kTorchSecond = "pytorch_model-00002-of-00003.bin";
constexpr const char* kTorchThird = "pytorch_model-00003-of-00003.bin";

std::string torch_shard(const std::vector<std::string>& names) {
  testing::PickleBuilder pickle;
  pickle.empty_dict();
  for (const std::string& name : names) pickle.weight(name);
  return testing::checkpoint_zip(pickle.stop(), {"abcdefgh"}).build();
}

void add_torch_shard(ModelFolder& folder, const char* file, const std::vector<std::string>& names) {
  folder.write(file, torch_shard(names));
  for (const std::string& name : names) folder.index["weight_map"][name] = file;
}

const std::vector<BadFolder> kRefusedTorchIndexes = {
    {"TorchFileMissing", ErrorCode::kIo,
     "pytorch_model.bin.index.json: names files that are not there: "
     "pytorch_model-00002-of-00003.bin",
     remove_files({kTorchSecond})},
    {"TorchFileIsCut", ErrorCode::kBadInput, "pytorch_model-00002-of-00003.bin: zip archive",
     [](ModelFolder& folder) {
       fs::resize_file(folder.file(kTorchSecond), fs::file_size(folder.file(kTorchSecond)) - 1);
     }},
    {"TorchFileIsOfAnotherFormat", ErrorCode::kBadInput,
     "pytorch_model-00002-of-00003.bin: is safetensors, but pytorch_model-00001-of-00003.bin is "
     "torch-zip",
     contents(kTorchSecond, model_shard({{"layers.0.up", "u"}, {"layers.0.down", "d"}}))},
    {"TorchTensorNowhere", ErrorCode::kBadInput,
     "tensor \"ghost\" is not in pytorch_model-00002-of-00003.bin, where "
     "pytorch_model.bin.index.json says it is",
     map_to("ghost", kTorchSecond)},
    {"TorchTensorElsewhere", ErrorCode::kBadInput,
     "tensor \"norm.weight\" is in pytorch_model-00003-of-00003.bin, not in "
     "pytorch_model-00001-of-00003.bin",
     [](ModelFolder& folder) {
       add_torch_shard(folder, kTorchThird, {"norm.weight", "bias"});
       folder.index["weight_map"]["norm.weight"] = kTorchFirst;
     }},
    {"TorchTensorDoubled", ErrorCode::kBadInput,
     "tensor \"norm.weight\" is both in pytorch_model-00002-of-00003.bin and in "
     "pytorch_model-00003-of-00003.bin",
     contents(kTorchSecond, torch_shard({"layers.0.up", "layers.0.down", "norm.weight"}))},
    {"TorchFileInTheParentFolder", ErrorCode::kBadInput,
     "its file \"../x.bin\" is not a plain name", map_to("norm.weight", "../x.bin")},
    {"AbsoluteTorchFile", ErrorCode::kBadInput, "its file \"/etc/passwd\" is not a plain name",
     map_to("norm.weight", "/etc/passwd")},
    {"SingleTorchFileBesideIt", ErrorCode::kBadInput,
     "holds both pytorch_model.bin and pytorch_model.bin.index.json, and programs differ",
     contents("pytorch_model.bin", torch_shard({"w"}))},
    {"TorchSetIsIncomplete", ErrorCode::kIo,
     ": has 2 of 3 files: pytorch_model-00001-of-00003.bin is missing", remove_files({kTorchFirst}),
     false},
};

}  // namespace

void BadFolder::make(ModelFolder& folder) const {
  const bool torch = kind == FolderKind::kTorch;
  if (torch) {
    add_torch_shard(folder, kTorchFirst, {"embed.weight"});
    add_torch_shard(folder, kTorchSecond, {"layers.0.up", "layers.0.down"});
    add_torch_shard(folder, kTorchThird, {"norm.weight"});
  } else {
    testing::add_small_shards(folder);
  }
  change(folder);
  if (index) folder.write_index(torch ? kTorchIndexName : kIndexName);
}

std::vector<BadFolder> bad_folders() {
  std::vector<BadFolder> all = kRefusedIndexes;
  all.insert(all.end(), kRefusedIndexFiles.begin(), kRefusedIndexFiles.end());
  for (const BadFolder& row : kRefusedTorchIndexes) {
    all.push_back(row);
    all.back().kind = FolderKind::kTorch;
  }
  return all;
}

}  // namespace wpack::refusals
