#include "bench_contestants.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <system_error>

#include "bench_process.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kScript = "load_checkpoint.py";

constexpr std::array<std::string_view, 3> kTorchExtensions = {".pth", ".pt", ".bin"};
constexpr std::array<std::string_view, 1> kSafetensorsExtensions = {".safetensors"};

struct KindText {
  AgainstKind kind;
  std::string_view word;
  std::span<const std::string_view> extensions;  // of the files that a directory stands for
};

constexpr std::array<KindText, 6> kKinds = {{
    {AgainstKind::kTorch, "torch", kTorchExtensions},
    {AgainstKind::kTorchMmap, "torch-mmap", kTorchExtensions},
    {AgainstKind::kSafetensors, "safetensors", kSafetensorsExtensions},
    {AgainstKind::kSafetensorsOpen, "safetensors-open", kSafetensorsExtensions},
    {AgainstKind::kMapTouch, "map-touch", {}},
    {AgainstKind::kFio, "fio", {}},
}};

const KindText& text_of(AgainstKind kind) {
  return *std::find_if(kKinds.begin(), kKinds.end(),
                       [&](const KindText& text) { return text.kind == kind; });
}

Error missing(const std::string& path, const std::error_code& error) {
  return {ErrorCode::kIo, error.value(),
          fmt::format("open {}: {}", escape_name(path), error.message())};
}

// Returns `path` itself, or the files in it that end in one of `extensions` (in anything, if there
// are none), ascending.
Result<std::vector<std::string>> files_of(const std::string& path,
                                          std::span<const std::string_view> extensions) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (error) return missing(path, error);
  if (!fs::is_directory(status)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string extension = entry->path().extension();
    const bool wanted = extensions.empty() || std::find(extensions.begin(), extensions.end(),
                                                        extension) != extensions.end();
    if (wanted && entry->is_regular_file(error)) files.push_back(entry->path());
  }
  if (error) return missing(path, error);
  if (files.empty()) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("{}: holds no file of this kind", escape_name(path)));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<Against> parse_against(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view word = text.substr(0, colon);
  const auto found = std::find_if(kKinds.begin(), kKinds.end(),
                                  [&](const KindText& kind) { return kind.word == word; });
  const auto refuse = [&](std::string_view cause) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("'{}' {}", escape_name(text, 64), cause));
  };
  if (found == kKinds.end()) {
    return refuse(
        "is none of torch:FILE, torch-mmap:FILE, safetensors:FILE, safetensors-open:FILE, "
        "map-touch:FILE, fio");
  }
  const bool has_path = colon != std::string_view::npos && colon + 1 < text.size();
  if (found->kind == AgainstKind::kFio) {
    if (colon != std::string_view::npos) return refuse("has a path: fio reads the shards");
    return Against{.kind = AgainstKind::kFio, .path = ""};
  }
  if (!has_path) return refuse("has no path");
  return Against{.kind = found->kind, .path = std::string(text.substr(colon + 1))};
}

Result<BenchTools> find_bench_tools(const std::string& python) {
  BenchTools tools;
  tools.python = python;
  WPACK_ASSIGN(tools.program, this_program());
  tools.scripts = (fs::path(tools.program).parent_path() / WPACK_BENCH_SCRIPTS).lexically_normal();
  std::error_code error;
  const std::string script = fs::path(tools.scripts) / kScript;
  if (!fs::exists(script, error)) {
    return Error(ErrorCode::kIo, ENOENT,
                 fmt::format("open {}: it should have been installed with this program",
                             escape_name(script)));
  }
  return tools;
}

std::vector<std::string> command_line(const Contestant& contestant, Touch touch) {
  std::vector<std::string> line = contestant.command;
  line.insert(line.end(), {"--touch", std::string(to_string(touch)), "--"});
  line.insert(line.end(), contestant.operands.begin(), contestant.operands.end());
  return line;
}

Contestant wpack_contestant(const BenchTools& tools, const std::string& container,
                            const std::vector<std::string>& files, const LoadOrder& order,
                            const std::vector<std::string>& options) {
  Contestant contestant;
  contestant.name = "wpack";
  contestant.command = {tools.program, "load", "--json", "--first", order.first_layer};
  contestant.operands = {container};
  contestant.files = files;
  for (const std::string& option : options) {
    contestant.name += " " + option;
    contestant.command.push_back(option);
  }
  return contestant;
}

Result<Contestant> contestant_of(const BenchTools& tools, const Against& against,
                                 const LoadOrder& order) {
  const KindText& text = text_of(against.kind);
  Contestant contestant;
  contestant.name = text.word;
  WPACK_ASSIGN(contestant.files, files_of(against.path, text.extensions));
  if (against.kind == AgainstKind::kMapTouch) {
    contestant.command = {tools.program, "bench-step", "map"};
    contestant.same_bytes = false;
  } else {
    // -B: a measurement leaves no compiled scripts behind.
    contestant.command = {tools.python, "-B", fs::path(tools.scripts) / kScript,
                          std::string(text.word)};
    for (const std::string& name : order.first) {
      contestant.command.insert(contestant.command.end(), {"--first", name});
    }
    for (const std::string& name : order.tied) {
      contestant.command.insert(contestant.command.end(), {"--tied", name});
    }
  }
  contestant.operands = contestant.files;
  return contestant;
}

}  // namespace wpack::cli
