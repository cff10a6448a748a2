#include "crash/scenario.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <regex>

#include "cli/sources.h"
#include "support/model_folder.h"

namespace wpack::crash {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = ".wpack-tmp-";

cli::Arguments pack_arguments(const std::string& source, const std::string& target) {
  return {"pack", source, "-o", target, "--shard-size", "65536"};
}

void run_or_fail(const cli::Arguments& arguments) {
  const cli::Outcome outcome = cli::run(arguments);
  ASSERT_EQ(outcome.status, 0) << outcome.err;
}

}  // namespace

std::string make_model(std::uint32_t version, std::uint32_t layers, std::uint64_t layer_size) {
  std::vector<cli::TensorSpec> tensors;
  for (std::uint32_t i = 0; i < layers; ++i) {
    tensors.push_back({fmt::format("model.layers.{}.weight", i),
                       "U8",
                       {layer_size},
                       cli::noise(layer_size, 1000 * version + i)});
  }
  return cli::safetensors_file(tensors);
}

std::string name_of(RunKind kind) {
  constexpr const char* kNames[] = {"Pack",       "PackWithForce", "Unpack",   "UnpackWithForce",
                                    "PackFolder", "UnpackFolder",  "LargePack"};
  return kNames[static_cast<int>(kind)];
}

Scenario::Scenario(RunKind kind)
    : kind_(kind),
      sources_(fs::canonical(directory_.path()) / "sources"),
      folder_(fs::canonical(directory_.path()) / "target"),
      target_(folder_ + (packs()        ? "/out.wpack"
                         : has_folder() ? "/out"
                                        : "/out.safetensors")) {
  fs::create_directory(sources_);
  fs::create_directory(folder_);
  make_sources();
  before_ = cli::tree(folder_);
  run_or_fail(arguments());
  after_ = cli::tree(folder_);
  if (packs()) run_or_fail({"verify", target_});
  reset();
}

void Scenario::make_sources() {
  const std::uint64_t layer_size = kind_ == RunKind::kLargePack ? 2'300'000 : 40'000;
  const std::string source = sources_ + (has_folder() ? "/new" : "/new.safetensors");
  if (has_folder()) {
    fs::create_directory(source);
    testing::ModelFolder folder(source);
    folder.shard("model-00001-of-00002.safetensors", {{"a.weight", cli::noise(40'000, 1)}})
        .shard("model-00002-of-00002.safetensors", {{"b.weight", cli::noise(40'000, 2)}})
        .write_index()
        .write("config.json", "{}");
  } else {
    (void)directory_.write("sources/new.safetensors", make_model(2, 2, layer_size));
  }
  const std::string old_source = directory_.write("old.safetensors", make_model(1, 2, layer_size));
  if (packs() && replaces()) run_or_fail(pack_arguments(old_source, target_));
  if (packs()) return;
  run_or_fail(pack_arguments(source, sources_ + "/new.wpack"));
  fs::remove_all(source);
  if (replaces()) fs::rename(old_source, target_);
}

cli::Arguments Scenario::arguments(bool force) const {
  cli::Arguments words =
      packs() ? pack_arguments(sources_ + (has_folder() ? "/new" : "/new.safetensors"), target_)
              : cli::Arguments{"unpack", sources_ + "/new.wpack", "-o",
                               target_ + (has_folder() ? "/" : "")};
  if (force) words.emplace_back("--force");
  return words;
}

cli::Arguments Scenario::arguments_of_next_run() const {
  if (kind_ != RunKind::kUnpackFolder) return arguments(true);
  fs::remove_all(target_);
  return arguments(false);
}

void Scenario::reset(const std::string& spare) const {
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().filename() != spare) fs::remove_all(entry.path());
  }
  write_tree(before_, folder_);
}

std::vector<std::string> Scenario::leavings() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename();
    if (name.find(kMark) != std::string::npos) names.push_back(name);
  }
  return names;
}

std::string Scenario::without_digits(const std::string& path) const {
  static const std::regex digits("wpack-tmp-[0-9a-f]{16}");
  const std::string inside = path.starts_with(folder_) ? path.substr(folder_.size()) : path;
  return std::regex_replace(inside, digits, "wpack-tmp-x");
}

Tree below(const Tree& tree, const std::string& name) {
  Tree part;
  for (const auto& [path, contents] : tree) {
    if (path == name || path.starts_with(name + "/")) part.emplace(path, contents);
  }
  return part;
}

Tree without(const Tree& tree, const std::string& name) {
  Tree rest = tree;
  for (const auto& [path, contents] : below(tree, name)) rest.erase(path);
  return rest;
}

std::string describe(const Tree& tree) {
  std::string text;
  for (const auto& [path, contents] : tree) {
    const auto hash = std::hash<std::string>()(contents);
    text += contents == "<directory>" ? fmt::format("{}/\n", path)
                                      : fmt::format("{}: {} bytes, {:08x}\n", path, contents.size(),
                                                    static_cast<std::uint32_t>(hash));
  }
  return text;
}

void write_tree(const Tree& tree, const std::string& folder) {
  for (const auto& [path, contents] : tree) {  // a directory comes before what is in it
    const fs::path place = fs::path(folder) / path;
    if (contents == "<directory>") {
      fs::create_directory(place);
    } else {
      std::ofstream(place, std::ios::binary) << contents;
    }
  }
}

std::string file_system_of(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return "unknown";
  switch (static_cast<unsigned long>(status.f_type)) {
    case EXT4_SUPER_MAGIC:
      return "ext4";
    case TMPFS_MAGIC:
      return "tmpfs";
    case OVERLAYFS_SUPER_MAGIC:
      return "overlay";
    case XFS_SUPER_MAGIC:
      return "xfs";
    case BTRFS_SUPER_MAGIC:
      return "btrfs";
    default:
      return fmt::format("type {:#x}", status.f_type);
  }
}

bool can_exchange_names(const std::string& folder) {
  const std::string one = folder + "/exchange-1";
  const std::string two = folder + "/exchange-2";
  fs::create_directory(one);
  fs::create_directory(two);
  const bool can = ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, two.c_str(), RENAME_EXCHANGE) == 0;
  fs::remove(one);
  fs::remove(two);
  return can;
}

std::string signature(const Scenario& scenario, const SystemCall& call) {
  return fmt::format("{} {} {}", call.name, scenario.without_digits(call.path),
                     scenario.without_digits(call.second_path));
}

}  // namespace wpack::crash
