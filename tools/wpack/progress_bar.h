// Progress of long work, on stderr, when that is a terminal.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "process_usage.h"
#include "wpack/progress.h"

namespace wpack::cli {

// Returns the line that shows `progress` after `seconds` of work in at most `columns` columns:
// "pack  42% [####......] 1.81 / 4.30 GB, 1.20 GB/s, 2 s left".
[[nodiscard]] std::string progress_line(std::string_view label, const Progress& progress,
                                        double seconds, std::size_t columns);

// One line that is rewritten in place, at most ten times a second, and wiped when it is destroyed.
// Prints nothing if stderr is no terminal or `wanted` is false.
class ProgressBar {
 public:
  ProgressBar(std::string label, bool wanted);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  ~ProgressBar();

  // Returns a callback that shows progress here and cancels when the process was interrupted. It
  // must not outlive this object.
  [[nodiscard]] ProgressCallback callback();

 private:
  void update(const Progress& progress);

  std::string label_;
  bool enabled_;
  bool colored_;
  Stopwatch stopwatch_;
  std::optional<double> shown_seconds_;  // when the line was last shown
};

}  // namespace wpack::cli
