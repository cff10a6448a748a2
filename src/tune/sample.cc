#include "tune/sample.h"

#include <algorithm>
#include <vector>

#include "os/cpu_clock.h"

namespace wpack::tuning {
namespace {

class Sampler {
 public:
  Sampler(AsyncReader& reader, const ReadShape& shape, const SampleTask& task)
      : reader_(reader),
        shape_(shape),
        task_(task),
        next_(task.window.begin),
        first_(std::min(task.window.end, task.window.begin + shape.depth * shape.block_size)),
        completions_(shape.depth) {
    for (std::uint32_t i = 0; i < shape.depth; ++i) idle_.push_back(shape.depth - 1 - i);
  }

  [[nodiscard]] Result<SampleResult> run(const KeepGoing& keep_going) {
    const Clock::time_point start = Clock::now();
    const double cpu_before = os::process_cpu_seconds();
    while (may_submit() || in_flight() > 0) {
      if (keep_going && !keep_going()) return Error(ErrorCode::kCancelled, "tuning was cancelled");
      if (may_submit()) WPACK_TRY(submit());
      WPACK_TRY(poll());
    }
    const double cpu = os::process_cpu_seconds() - cpu_before;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const std::uint64_t bytes = next_ - task_.window.begin;
    const auto size = static_cast<double>(bytes);
    return SampleResult{.sample = {.bytes_per_second = seconds > 0 ? size / seconds : 0,
                                   .cpu_seconds_per_byte = cpu / size},
                        .end = next_,
                        .bytes = bytes};
  }

 private:
  [[nodiscard]] std::size_t in_flight() const noexcept { return shape_.depth - idle_.size(); }
  [[nodiscard]] bool may_submit() const {
    return next_ < task_.window.end && (next_ < first_ || Clock::now() < task_.until);
  }

  [[nodiscard]] Status submit() {
    std::vector<ReadRequest> batch;
    std::uint64_t end = next_;
    for (auto slot = idle_.rbegin(); slot != idle_.rend() && end < task_.window.end; ++slot) {
      const std::uint64_t size = std::min(shape_.block_size, task_.window.end - end);
      batch.push_back(
          {task_.fd, end, task_.memory.subspan(*slot * shape_.block_size, size), *slot});
      end += size;
    }
    WPACK_ASSIGN(const std::size_t accepted, reader_.submit(batch));
    idle_.resize(idle_.size() - accepted);
    if (accepted > 0) next_ = batch[accepted - 1].offset + batch[accepted - 1].out.size();
    return {};
  }

  [[nodiscard]] Status poll() {
    const std::size_t count = reader_.poll(completions_, 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (completions_[i].error) return *completions_[i].error;
      idle_.push_back(completions_[i].user_data);
    }
    return {};
  }

  AsyncReader& reader_;
  const ReadShape& shape_;
  const SampleTask& task_;
  std::uint64_t next_;         // where the next request begins
  const std::uint64_t first_;  // where the first requests end, which are made in any case
  std::vector<std::uint64_t> idle_;
  std::vector<ReadCompletion> completions_;
};

}  // namespace

Result<SampleResult> read_sample(AsyncReader& reader, const ReadShape& shape,
                                 const SampleTask& task, const KeepGoing& keep_going) {
  return Sampler(reader, shape, task).run(keep_going);
}

}  // namespace wpack::tuning
