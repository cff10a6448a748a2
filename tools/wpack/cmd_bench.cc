// wpack bench CONTAINER
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <thread>

#include "bench_balloon.h"
#include "bench_cache.h"
#include "bench_report.h"
#include "command.h"
#include "result_file.h"
#include "size_option.h"
#include "terminal.h"
#include "wpack/container.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr std::uint64_t kFreshMemory = std::uint64_t{2} << 30;
// Long enough for a host that takes a few hundred MB a second to have most of 4 GB back.
constexpr std::uint32_t kSettleSeconds = 15;

struct BenchOptions {
  std::string container;
  std::vector<std::string> against;
  bool cold = false;
  bool warm = false;
  int rounds = 7;
  std::vector<std::string> touches;
  std::vector<std::string> accesses;  // each a contestant of its own, as those below
  std::vector<std::string> verifies;
  std::vector<std::string> budgets;
  std::string first_layer;
  std::string python = "python3";
  std::optional<std::uint64_t> fresh_memory;
  std::optional<std::uint32_t> settle;  // seconds
  std::string json;
  std::string svg;
  bool bars = false;
};

// What the container says of itself.
struct Target {
  std::vector<std::string> files;
  std::vector<std::string> shards;
  LoadOrder order;
  std::string uuid;
  std::uint64_t bytes = 0;  // of all tensors, tied ones once: what a checkpoint holds
};

// The layer that was asked for; else the first block as most models name it, else the first layer
// of all.
Result<LoadOrder> load_order_of(const Container& container, const std::string& wanted) {
  const auto layers = container.layers();
  const std::string name = wanted.empty() ? "model.layers.0" : wanted;
  auto found = std::find_if(layers.begin(), layers.end(),
                            [&](const Layer& layer) { return layer.name() == name; });
  if (found == layers.end() && !wanted.empty()) {
    return Error(ErrorCode::kNotFound, fmt::format("there is no layer '{}'", escape_name(wanted)));
  }
  if (found == layers.end()) found = layers.begin();
  if (found == layers.end()) {
    return Error(ErrorCode::kInvalidArgument, "the container has nothing to load");
  }
  LoadOrder order{.first_layer = std::string(found->name()), .first = {}, .tied = {}};
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
    const TensorInfo info = container.tensor_info(id);
    if (info.layer == found->info().id) order.first.emplace_back(info.name);
    if (info.alias_of != TensorInfo::kNone) order.tied.emplace_back(info.name);
  }
  return order;
}

Result<Target> target_of(const BenchOptions& options) {
  WPACK_ASSIGN(const Container container, Container::open(options.container));
  Target target;
  for (const ShardInfo& shard : container.shards()) {
    target.shards.push_back(options.container + "/" + shard.name);
  }
  target.files = target.shards;
  target.files.push_back(options.container + "/index.wpi");
  target.uuid = to_string(container.info().uuid);
  for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
    const TensorInfo info = container.tensor_info(id);
    if (info.alias_of == TensorInfo::kNone) target.bytes += info.nbytes;
  }
  auto order = load_order_of(container, options.first_layer);
  if (!order) return std::move(order).error().in(escape_name(options.container));
  target.order = *std::move(order);
  return target;
}

// The default way to load first: the others are held against it.
std::vector<Contestant> wpack_contestants(const BenchOptions& options, const BenchTools& tools,
                                          const Target& target) {
  std::vector<std::vector<std::string>> variants = {{}};
  for (const std::string& access : options.accesses) variants.push_back({"--access", access});
  for (const std::string& verify : options.verifies) variants.push_back({"--verify", verify});
  for (const std::string& budget : options.budgets) variants.push_back({"--budget", budget});
  std::vector<Contestant> contestants;
  contestants.reserve(variants.size());
  for (const auto& variant : variants) {
    contestants.push_back(
        wpack_contestant(tools, options.container, target.files, target.order, variant));
  }
  return contestants;
}

// Two of one kind are told apart by their paths.
void name_apart(std::vector<Contestant>& contestants) {
  std::vector<std::string> names;
  names.reserve(contestants.size());
  for (const Contestant& contestant : contestants) names.push_back(contestant.name);
  for (Contestant& contestant : contestants) {
    if (std::count(names.begin(), names.end(), contestant.name) > 1) {
      contestant.name += ":" + escape_name(contestant.operands.front(), 64);
    }
  }
}

Result<RoundsPlan> plan_of(const BenchOptions& options, const BenchTools& tools,
                           const Target& target) {
  RoundsPlan plan;
  plan.contestants = wpack_contestants(options, tools, target);
  for (const std::string& text : options.against) {
    WPACK_ASSIGN(const Against against, parse_against(text));
    if (against.kind == AgainstKind::kFio) continue;
    WPACK_ASSIGN(Contestant contestant, contestant_of(tools, against, target.order));
    plan.contestants.push_back(std::move(contestant));
  }
  name_apart(plan.contestants);
  const bool both = options.cold == options.warm;
  if (both || options.cold) plan.caches.push_back(CacheState::kCold);
  if (both || options.warm) plan.caches.push_back(CacheState::kWarm);
  const auto touches = [&](Touch touch) {
    return options.touches.empty() || std::find(options.touches.begin(), options.touches.end(),
                                                to_string(touch)) != options.touches.end();
  };
  for (const Touch touch : {Touch::kPages, Touch::kBytes}) {
    if (touches(touch)) plan.touches.push_back(touch);
  }
  plan.rounds = options.rounds;
  plan.same_bytes = target.bytes;
  plan.fresh_memory =
      options.fresh_memory.value_or(std::min(kFreshMemory, memory_state().available_bytes / 2));
  plan.settle =
      std::chrono::seconds(options.settle.value_or(host_takes_pages_back() ? kSettleSeconds : 0));
  return plan;
}

// One line on a terminal that says what runs now, and nothing elsewhere.
class RunningLine {
 public:
  RunningLine() : enabled_(is_terminal(STDERR_FILENO)) {}
  RunningLine(const RunningLine&) = delete;
  RunningLine& operator=(const RunningLine&) = delete;
  ~RunningLine() { show(""); }

  void show(std::string_view text) const {
    if (!enabled_) return;
    const std::size_t columns = terminal_columns(STDERR_FILENO) - 1;
    std::string line = one_line(text, std::max<std::size_t>(columns, 8));
    line.resize(columns, ' ');
    const std::string shown = text.empty() ? fmt::format("\r{}\r", line) : "\r" + line;
    [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, shown.data(), shown.size());
  }

 private:
  bool enabled_;
};

BenchResult measure(const BenchOptions& options, const Target& target, RoundsPlan plan) {
  const bool wants_fio =
      std::find(options.against.begin(), options.against.end(), "fio") != options.against.end();
  DiskRates disk(target.shards, wants_fio ? "" : "--against fio was not given");
  BenchResult result;
  result.container = options.container;
  result.uuid = target.uuid;
  result.first_layer = target.order.first_layer;
  result.memory_bytes = memory_state().total_bytes;
  result.processor_count = std::thread::hardware_concurrency();
  utsname system{};
  if (::uname(&system) == 0) result.kernel = fmt::format("{} {}", system.sysname, system.release);
  {
    const RunningLine line;
    result.rounds = run_rounds(plan, disk, [&line](const std::string& text) { line.show(text); });
  }
  result.disk_rates = disk.samples();
  result.disk_reason = disk.reason();
  result.plan = std::move(plan);
  return result;
}

void print(const BenchOptions& options, const BenchResult& result, Output& out) {
  if (options.json == "-") {
    out.print_json(bench_json(result));
    return;
  }
  print_bench(result, out);
  const bool terminal = is_terminal(STDOUT_FILENO);
  if (!terminal && !options.bars) return;
  out.print(text_bars_of(bench_chart(result), terminal ? terminal_columns(STDOUT_FILENO) : 80,
                         terminal && colors_wanted()));
}

Status run_bench(const BenchOptions& options, Output& out) {
  WPACK_ASSIGN(const Target target, target_of(options));
  WPACK_ASSIGN(const BenchTools tools, find_bench_tools(options.python));
  WPACK_ASSIGN(RoundsPlan plan, plan_of(options, tools, target));
  // Opened before the runs: minutes of measuring must not be lost to a path that cannot be written.
  std::optional<ResultFile> json;
  std::optional<ResultFile> svg;
  if (!options.json.empty() && options.json != "-") {
    WPACK_ASSIGN(json, ResultFile::open(options.json));
  }
  if (!options.svg.empty()) {
    WPACK_ASSIGN(svg, ResultFile::open(options.svg));
  }
  const BenchResult result = measure(options, target, std::move(plan));
  print(options, result, out);
  if (json) {
    Output text;
    text.print_json(bench_json(result));
    WPACK_TRY(json->write(text.text()));
  }
  if (svg) WPACK_TRY(svg->write(svg_of(bench_chart(result))));
  return {};
}

// An option that may be given several times, each time with one of `words` (any, if there are
// none).
void add_words(CLI::App& command, const std::string& name, std::vector<std::string>& values,
               const std::vector<std::string>& words, const std::string& shown,
               const std::string& help) {
  add_value(command, name, values, shown, help).check([words, shown](const std::string& word) {
    return std::find(words.begin(), words.end(), word) != words.end()
               ? std::string()
               : fmt::format("'{}' is none of {}", escape_name(word, 64), shown);
  });
}

void add_contestant_options(CLI::App& command, BenchOptions& options) {
  add_value(command, "--against", options.against, "KIND:PATH",
            "also measure torch:FILE, torch-mmap:FILE, safetensors:FILE, safetensors-open:FILE or "
            "map-touch:FILE (a directory stands for the files in it), or the disk: fio")
      .check([](const std::string& text) {
        const auto against = parse_against(text);
        return against ? std::string() : against.error().message();
      });
  add_words(command, "--access", options.accesses, {"map", "read"}, "map|read",
            "also measure wpack load --access");
  add_words(command, "--verify", options.verifies, {"index", "touch", "full"}, "index|touch|full",
            "also measure wpack load --verify");
  add_value(command, "--budget", options.budgets, "SIZE", "also measure wpack load --budget")
      .check([](const std::string& text) {
        const auto size = parse_size(text);
        return size ? std::string() : size.error().message();
      });
  add_value(command, "--python", options.python, "PYTHON",
            "the interpreter of Python contestants (default: python3)");
}

void add_bench_options(CLI::App& command, BenchOptions& options) {
  add_value(command, "CONTAINER", options.container, "", "the container").required();
  add_contestant_options(command, options);
  add_flag(command, "--cold", options.cold, "only with the files dropped from the page cache");
  add_flag(command, "--warm", options.warm, "only with the files in the page cache");
  add_words(command, "--touch", options.touches, {"pages", "bytes"}, "pages|bytes",
            "only read one byte of every page, or only every byte (default: both, apart)");
  add_value(command, "--runs", options.rounds, "N", "runs of each, in turns (default: 7)")
      .within(1, 1000);
  add_value(command, "--first-layer", options.first_layer, "LAYER",
            "what is loaded first (default: model.layers.0, or else the first layer)");
  add_size(command, "--fresh-memory", options.fresh_memory,
           "memory that another process takes before each run, and holds while a cold one goes on, "
           "so that all start alike (default: 2GiB, at most half of what is available)");
  add_value(command, "--settle", options.settle, "SECONDS",
            "wait before each cold run, so that the host of a virtual machine takes freed memory "
            "back (default: 15 where it does so, else 0)")
      .within(0, 3600);
  add_value(command, "--json", options.json, "FILE",
            "write every run there as JSON, with a \"schema\" number; to stdout if it is -");
  add_value(command, "--svg", options.svg, "FILE", "draw the medians there");
  add_flag(command, "--bars", options.bars, "draw them below the tables, terminal or not");
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<BenchOptions>();
  CLI::App& command = add_command(
      app, {.name = "bench",
            .description = "measure loading, against other loaders",
            .usage = "bench CONTAINER [OPTIONS]",
            .examples =
                "  wpack bench model.wpack --against torch:model.pth --against fio\n"
                "  wpack bench model.wpack --against safetensors:model.safetensors --cold\n"
                "  wpack bench model.wpack --verify full --access read --json - | jq .rows\n"
                "\n"
                "Each run is a fresh process; contestants take turns. A cold or warm row is shown\n"
                "only if the state of the page cache was proven before each of its runs. wpack is\n"
                "called ahead only where the 95 % interval of the paired ratios excludes 1."});
  add_bench_options(command, *options);
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_bench(*options, out); };
  });
}

}  // namespace wpack::cli
