#include "tune/rounds.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "base/align.h"
#include "os/anonymous_memory.h"
#include "os/direct_io.h"
#include "os/file.h"
#include "tune/choice.h"
#include "tune/cold_windows.h"
#include "tune/first_touch.h"
#include "tune/shapes.h"

namespace wpack::tuning {
namespace {

using base::kMebibyte;

using Seconds = std::chrono::duration<double>;

constexpr std::uint64_t kGranule = 4096;  // of offsets and sizes; as shards have it
constexpr std::uint64_t kLongestDirectRead = 256 * kMebibyte;
constexpr std::uint64_t kLongestBufferedRead =
    64 * kMebibyte;  // proving that it is cold takes 1 ms

constexpr int kMostRounds = 15;
constexpr double kRoundsPlanned = 5;  // of all shapes; later ones have fewer
constexpr double kShortestSlice = 0.01;
constexpr double kLongestSlice = 0.2;
constexpr double kShareOfFirstTouch = 0.15;

class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    if (!bytes_.empty()) os::unmap_anonymous(bytes_);
  }
  // Its first touch is not what samples measure.
  [[nodiscard]] Status take(std::uint64_t size) {
    WPACK_ASSIGN(bytes_, os::map_anonymous(size));
    std::ranges::fill(bytes_, std::byte{0});
    return {};
  }
  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }

 private:
  MutableBytes bytes_;
};

// A shape that is still measured.
struct Contender {
  ReadMethod method;
  std::size_t index;  // in TunedReads::measured
};

class Rounds {
 public:
  Rounds(TuneReport& report, const MakeReader& make_reader, const TuneOptions& options,
         Clock::time_point start)
      : report_(report),
        make_reader_(make_reader),
        options_(options),
        start_(start),
        end_(start + std::chrono::duration_cast<Clock::duration>(Seconds(options.seconds))) {}

  [[nodiscard]] Status run() {
    WPACK_TRY(measure_first_touch_of_memory());
    const ShapePlan plan = plan_shapes(report_.facts.host, report_.facts.file);
    report_.skipped.insert(report_.skipped.end(), plan.skipped.begin(), plan.skipped.end());
    report_.direct.standard = plan.direct.standard;
    report_.buffered.standard = plan.buffered.standard;
    if (!plan.direct.shapes.empty() || !plan.buffered.shapes.empty())
      WPACK_TRY(measure_reads(plan));
    finish(report_.direct);
    finish(report_.buffered);
    return {};
  }

 private:
  [[nodiscard]] Status measure_first_touch_of_memory() {
    const auto share =
        std::chrono::duration_cast<Clock::duration>(kShareOfFirstTouch * (end_ - start_));
    auto touch = measure_first_touch(start_ + share);
    if (touch) {
      report_.profile.first_touch = *touch;
    } else {
      skip("first touch", touch.error());
    }
    return ask();
  }

  [[nodiscard]] Status measure_reads(const ShapePlan& plan) {
    WPACK_ASSIGN(file_, os::File::open_read(report_.facts.file.path));
    WPACK_ASSIGN(const std::uint64_t size, file_.size());
    if (size < kSmallestFile) return Error(ErrorCode::kIo, file_.label() + ": it became smaller");
    direct_windows_.emplace(file_, base::align_down(size, kGranule));
    buffered_windows_.emplace(file_, base::align_down(size, kGranule));
    if (!plan.direct.shapes.empty()) {
      auto direct = os::open_direct(file_.fd(), file_.label());
      if (direct) {
        direct_file_ = *std::move(direct);
        add(ReadMethod::kDirect, plan.direct.shapes);
      } else {
        skip(to_string(ReadMethod::kDirect), direct.error());
      }
    }
    add(ReadMethod::kBuffered, plan.buffered.shapes);
    WPACK_TRY(memory_.take(largest_memory()));
    Status status = go_round();
    if (!status && status.error().code() == ErrorCode::kIo)
      return std::move(status).error().in(file_.label());
    return status;
  }

  void add(ReadMethod method, const std::vector<ReadShape>& shapes) {
    std::vector<MeasuredShape>& measured = reads(method).measured;
    for (const ReadShape& shape : shapes) {
      contenders_.push_back({method, measured.size()});
      measured.push_back({.shape = shape, .rounds = {}});
    }
  }

  [[nodiscard]] std::uint64_t largest_memory() {
    std::uint64_t largest = 0;
    for (const Contender& contender : contenders_) {
      const ReadShape& shape = measured(contender).shape;
      largest = std::max(largest, shape.block_size * shape.depth);
    }
    return largest;
  }

  [[nodiscard]] Status go_round() {
    const Seconds left = end_ - Clock::now();
    slice_ = std::chrono::duration_cast<Clock::duration>(Seconds(
        std::clamp(left.count() / (kRoundsPlanned * static_cast<double>(contenders_.size())),
                   kShortestSlice, kLongestSlice)));
    // Another order each time, and the same ones in each run.
    std::minstd_rand orders;
    for (int round = 0; round < kMostRounds && !contenders_.empty(); ++round) {
      std::ranges::shuffle(contenders_, orders);
      for (const Contender& contender : contenders_) {
        if (Clock::now() + longest_ > end_) return {};
        WPACK_TRY(measure(contender));
      }
      drop_those_behind();
    }
    return {};
  }

  // A shape that cannot be measured is left out: only reads that fail are errors.
  [[nodiscard]] Status measure(const Contender& contender) {
    if (std::ranges::find(given_up_, contender.method) != given_up_.end()) return {};
    const Clock::time_point begin = Clock::now();
    const bool direct = contender.method == ReadMethod::kDirect;
    Windows& windows = direct ? *direct_windows_ : *buffered_windows_;
    const ReadShape& shape = measured(contender).shape;
    const auto window = direct ? Result<ByteRange>(windows.next(kLongestDirectRead))
                               : windows.next_cold(kLongestBufferedRead);
    if (!window) return give_up(contender.method, window.error());
    const auto reader = make_reader_(choice_of(contender));
    if (!reader) {
      skip(shape.engine, reader.error());
      return {};
    }
    const SampleTask task{.fd = direct ? direct_file_.fd.get() : file_.fd(),
                          .window = *window,
                          .memory = memory_.bytes(),
                          .until = Clock::now() + slice_};
    WPACK_ASSIGN(const SampleResult result,
                 read_sample(**reader, shape, task, [this] { return keep_going(); }));
    windows.read_up_to(result.end);
    if (!direct) windows.drop_after({window->begin, result.end});
    add_round(measured(contender), result.sample);
    report_.read_bytes += result.bytes;
    longest_ = std::max(longest_, Clock::now() - begin);
    return ask();
  }

  [[nodiscard]] ReadChoice choice_of(const Contender& contender) {
    const ReadShape& shape = measured(contender).shape;
    ReadChoice choice{.method = contender.method,
                      .engine = shape.engine,
                      .block_size = shape.block_size,
                      .depth = shape.depth};
    if (contender.method == ReadMethod::kDirect) choice.direct = direct_file_.alignment;
    return choice;
  }

  void drop_those_behind() {
    const double best_direct = best_rate_of(report_.direct.measured);
    const double best_buffered = best_rate_of(report_.buffered.measured);
    std::erase_if(contenders_, [&](const Contender& contender) {
      const MeasuredShape& shape = measured(contender);
      if (shape.rounds.empty()) return true;  // it could not be measured
      if (shape.shape == reads(contender.method).standard) return false;
      return !deserves_another_round(
          shape, contender.method == ReadMethod::kDirect ? best_direct : best_buffered);
    });
  }

  [[nodiscard]] Status give_up(ReadMethod method, const Error& why) {
    given_up_.push_back(method);
    skip(to_string(method), why);
    return ask();
  }

  void skip(std::string_view what, const Error& why) {
    Refusal refusal{std::string(what), why.message()};
    if (std::ranges::find(report_.skipped, refusal) == report_.skipped.end())
      report_.skipped.push_back(std::move(refusal));
  }

  static void finish(TunedReads& reads) {
    reads.choice = choose(reads.measured, reads.standard);
    std::erase_if(reads.measured, [](const MeasuredShape& shape) { return shape.rounds.empty(); });
    std::ranges::sort(reads.measured, std::ranges::greater(), &MeasuredShape::bytes_per_second);
  }

  [[nodiscard]] bool keep_going() const {
    if (!options_.progress) return true;
    const double share = Seconds(Clock::now() - start_) / Seconds(end_ - start_);
    const auto total = static_cast<std::uint64_t>(static_cast<double>(report_.read_bytes) /
                                                  std::clamp(share, 0.001, 1.0));
    return options_.progress(
        {.done_bytes = report_.read_bytes, .total_bytes = std::max(total, report_.read_bytes + 1)});
  }
  [[nodiscard]] Status ask() const {
    return keep_going() ? Status() : Error(ErrorCode::kCancelled, "tuning was cancelled");
  }

  [[nodiscard]] TunedReads& reads(ReadMethod method) {
    return method == ReadMethod::kDirect ? report_.direct : report_.buffered;
  }
  [[nodiscard]] MeasuredShape& measured(const Contender& contender) {
    return reads(contender.method).measured[contender.index];
  }

  TuneReport& report_;
  const MakeReader& make_reader_;
  const TuneOptions& options_;
  const Clock::time_point start_;
  const Clock::time_point end_;
  Clock::duration slice_ = {};
  Clock::duration longest_ = {};  // sample so far
  os::File file_;
  std::optional<Windows> direct_windows_;
  std::optional<Windows> buffered_windows_;
  os::DirectFile direct_file_;
  Memory memory_;
  std::vector<Contender> contenders_;
  std::vector<ReadMethod> given_up_;
};

// What a profile is found by.
Result<ReadProfile> profile_of(const HostReport& facts) {
  ReadProfile profile;
  WPACK_ASSIGN(profile.kernel, facts.host.kernel);
  WPACK_ASSIGN(profile.device, facts.file.device_number);
  WPACK_ASSIGN(const FileSystemInfo file_system, facts.file.file_system);
  profile.file_system = file_system.type;
  return profile;
}

}  // namespace

Result<TuneReport> measure(HostReport facts, const MakeReader& make_reader,
                           const TuneOptions& options) {
  const Clock::time_point start = Clock::now();
  TuneReport report;
  WPACK_ASSIGN(report.profile, profile_of(facts));
  report.facts = std::move(facts);
  WPACK_TRY(Rounds(report, make_reader, options, start).run());
  report.profile.direct = report.direct.choice.shape;
  report.profile.buffered = report.buffered.choice.shape;
  report.seconds = Seconds(Clock::now() - start).count();
  if (options.progress) (void)options.progress({report.read_bytes, report.read_bytes});
  return report;
}

}  // namespace wpack::tuning
