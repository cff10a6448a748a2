// Who takes part in a comparison: ways to load a model's weights, each a command of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "touch.h"
#include "wpack/error.h"

namespace wpack::cli {

enum class AgainstKind {
  kTorch,            // torch.load, as it is mostly written
  kTorchMmap,        // torch.load(mmap=True)
  kSafetensors,      // safetensors.torch.load_file
  kSafetensorsOpen,  // safetensors.safe_open, tensor by tensor
  kMapTouch,         // mmap, and nothing else
  kFio,              // no contestant: the disk's rate, which the others are held against
};

// What --against names.
struct Against {
  AgainstKind kind = AgainstKind::kFio;
  std::string path;  // empty for fio
};

// Returns what `text` names: KIND:PATH, or "fio". Errors: kInvalidArgument (another kind, a missing
// or superfluous path).
[[nodiscard]] Result<Against> parse_against(std::string_view text);

// Where the contestants come from.
struct BenchTools {
  std::string program;  // this program's file
  std::string scripts;  // directory of the Python scripts
  std::string python;   // interpreter
};

// Finds this program and the scripts that were installed, or built, with it. Errors: kIo (they are
// not there).
[[nodiscard]] Result<BenchTools> find_bench_tools(const std::string& python);

// A way to load. Its command prints a JSON object; bench/README.md lists the members.
struct Contestant {
  std::string name;
  std::vector<std::string> command;   // program and options
  std::vector<std::string> operands;  // paths
  std::vector<std::string> files;     // what it reads: made cold or warm before it runs
  bool same_bytes = true;             // it loads the container's tensors, so rates go by their size
};

// Returns the command line that loads by `contestant` and uses the bytes as `touch` says.
[[nodiscard]] std::vector<std::string> command_line(const Contestant& contestant, Touch touch);

// What everybody loads in the same way, whatever order and copies a file holds.
struct LoadOrder {
  std::string first_layer;         // loaded before all others
  std::vector<std::string> first;  // its tensors
  std::vector<std::string> tied;   // tensors that are others under a second name: used once
};

// Returns `wpack load` of `container` with `options`, whose shards and index are `files`.
[[nodiscard]] Contestant wpack_contestant(const BenchTools& tools, const std::string& container,
                                          const std::vector<std::string>& files,
                                          const LoadOrder& order,
                                          const std::vector<std::string>& options);

// Returns the contestant that `against`, which is not fio, names. A directory stands for the files
// in it of the kind's extensions. Errors: kIo (missing), kBadInput (a directory without such
// files).
[[nodiscard]] Result<Contestant> contestant_of(const BenchTools& tools, const Against& against,
                                               const LoadOrder& order);

}  // namespace wpack::cli
