// The runs that are crashed: what they start from, and what they end with.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"
#include "crash/traced_command.h"
#include "support/temp_dir.h"

namespace wpack::crash {

enum class RunKind {
  kPack,
  kReplacePack,
  kUnpack,
  kReplaceUnpack,
  kPackFolder,    // with an index and attachments
  kUnpackFolder,  // that again
  kLargePack,     // of more than one buffer, so that threads share the work
};
inline constexpr RunKind kSmallRuns[] = {RunKind::kPack,       RunKind::kReplacePack,
                                         RunKind::kUnpack,     RunKind::kReplaceUnpack,
                                         RunKind::kPackFolder, RunKind::kUnpackFolder};
inline constexpr RunKind kAllRuns[] = {
    RunKind::kPack,       RunKind::kReplacePack,  RunKind::kUnpack,   RunKind::kReplaceUnpack,
    RunKind::kPackFolder, RunKind::kUnpackFolder, RunKind::kLargePack};
[[nodiscard]] std::string name_of(RunKind kind);

// A safetensors file whose layers fill a shard each, if shards are small. `version` tells the bytes
// of two apart.
[[nodiscard]] std::string make_model(std::uint32_t version, std::uint32_t layers,
                                     std::uint64_t layer_size);

// Relative path to contents, as cli::tree() returns it.
using Tree = std::map<std::string, std::string>;

// A run of one kind, in a folder of its own. The container has several shards.
class Scenario {
 public:
  explicit Scenario(RunKind kind);

  [[nodiscard]] bool packs() const {
    return kind_ != RunKind::kUnpack && kind_ != RunKind::kReplaceUnpack &&
           kind_ != RunKind::kUnpackFolder;
  }
  // Of a folder, or to one.
  [[nodiscard]] bool has_folder() const {
    return kind_ == RunKind::kPackFolder || kind_ == RunKind::kUnpackFolder;
  }
  [[nodiscard]] bool replaces() const {
    return kind_ == RunKind::kReplacePack || kind_ == RunKind::kReplaceUnpack;
  }
  // Where the target and all temporary names lie, and nothing else.
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] const std::string& target() const { return target_; }
  // The folder of the sources, which no run may change.
  [[nodiscard]] const std::string& sources() const { return sources_; }
  [[nodiscard]] cli::Arguments arguments(bool force) const;
  [[nodiscard]] cli::Arguments arguments() const { return arguments(replaces()); }
  // Those of a run that succeeds whatever stands under the target's name. A folder is not replaced:
  // it is removed.
  [[nodiscard]] cli::Arguments arguments_of_next_run() const;

  // The folder before a run, and after one that nothing disturbed.
  [[nodiscard]] const Tree& before() const { return before_; }
  [[nodiscard]] const Tree& after() const { return after_; }

  // Makes the folder what it was before; what has the name `spare` stays.
  void reset(const std::string& spare = "") const;
  // The folder's temporary names.
  [[nodiscard]] std::vector<std::string> leavings() const;
  // The same path for every run: random digits become x.
  [[nodiscard]] std::string without_digits(const std::string& path) const;

 private:
  void make_sources();

  RunKind kind_;
  testing::TempDir directory_;
  std::string sources_;
  std::string folder_;
  std::string target_;
  Tree before_;
  Tree after_;
};

// The part of a tree at and below `name`, and the tree without it.
[[nodiscard]] Tree below(const Tree& tree, const std::string& name);
[[nodiscard]] Tree without(const Tree& tree, const std::string& name);

// What a tree holds, in a few words: for messages.
[[nodiscard]] std::string describe(const Tree& tree);
// Writes a tree into an existing folder.
void write_tree(const Tree& tree, const std::string& folder);

// The name of the file system that `path` lies on, such as "ext4".
[[nodiscard]] std::string file_system_of(const std::string& path);
// False on a file system that cannot exchange two names.
[[nodiscard]] bool can_exchange_names(const std::string& folder);

// A call and what it works on, the same for every run.
[[nodiscard]] std::string signature(const Scenario& scenario, const SystemCall& call);

}  // namespace wpack::crash
