// wpack bench-step: what `wpack bench` runs beside the loaders, each in a fresh process. Not listed
// by --help.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <system_error>

#include "command.h"
#include "process_usage.h"
#include "system.h"
#include "touch.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// Maps a file and keeps it mapped. Closed when the process ends.
Result<Bytes> map_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || ::fstat(fd, &status) != 0) return system_failure("open", path, errno);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return Bytes();
  const void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return system_failure("map", path, errno);
  return Bytes(static_cast<const std::byte*>(address), size);
}

// The least that a loader can do: maps each file and touches it.
Status map_files(const std::vector<std::string>& files, Touch touch, Output& out) {
  const ProcessUsage before = process_usage();
  const Stopwatch stopwatch;
  std::uint64_t size = 0;
  std::uint64_t sum = 0;
  for (const std::string& file : files) {
    WPACK_ASSIGN(const Bytes bytes, map_file(file));
    size += bytes.size();
    if (touch == Touch::kPages) {
      touch_pages(bytes);
    } else {
      sum += sum_words(bytes);
    }
  }
  const double seconds = stopwatch.seconds();
  const ProcessUsage after = process_usage();
  Json json;
  json["total_seconds"] = seconds;
  json["cpu_seconds"] = after.cpu_seconds() - before.cpu_seconds();
  json["machine_cpu_seconds"] = after.machine_seconds - before.machine_seconds;
  json["anonymous_rss_grown_bytes"] = private_growth(before, after);
  json["bytes"] = size;
  // Of whole files: no sum of tensors, which "word_sum" would be.
  json["file_sum"] = touch == Touch::kBytes ? Json(sum) : Json(nullptr);
  out.print_json(json);
  return {};
}

void add_map(CLI::App& step, Action& action) {
  struct Options {
    std::vector<std::string> files;
    Touch touch = Touch::kPages;
  };
  const auto options = std::make_shared<Options>();
  CLI::App& command = add_step(step, "map", "map files and touch them");
  add_values(command, "FILE", options->files).required();
  add_choice<Touch>(command, "--touch", options->touch,
                    {{"pages", Touch::kPages}, {"bytes", Touch::kBytes}}, "how");
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return map_files(options->files, options->touch, out); };
  });
}

}  // namespace

void add_bench_step_command(CLI::App& app, Action& action) {
  CLI::App& step = add_hidden_command(app, "bench-step", "a step of wpack bench");
  add_map(step, action);
}

}  // namespace wpack::cli
