#include "progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "human.h"
#include "signals.h"
#include "terminal.h"

namespace wpack::cli {
namespace {

constexpr double kSecondsBetweenUpdates = 0.1;
// A rate that was measured over less than this says nothing about the time that is left.
constexpr double kSecondsBeforeEstimate = 0.5;

void write_stderr(std::string_view text) {
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string bar(double fraction, std::size_t width) {
  const auto filled =
      std::min(width, static_cast<std::size_t>(fraction * static_cast<double>(width)));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

}  // namespace

std::string progress_line(std::string_view label, const Progress& progress, double seconds,
                          std::size_t columns) {
  const double fraction = progress.total_bytes == 0
                              ? 1.0
                              : std::min(1.0, static_cast<double>(progress.done_bytes) /
                                                  static_cast<double>(progress.total_bytes));
  const std::string front = fmt::format("{} {:3.0f}% ", label, fraction * 100);
  std::string back =
      fmt::format("{} / {}, {}", human_size(progress.done_bytes), human_size(progress.total_bytes),
                  human_rate(progress.done_bytes, seconds));
  if (fraction >= 1) {
    back += ", finishing";
  } else if (seconds >= kSecondsBeforeEstimate && fraction > 0) {
    back += fmt::format(", {:.0f} s left", seconds * (1 - fraction) / fraction);
  }
  constexpr std::size_t kWidestBar = 30;
  constexpr std::size_t kNarrowestBar = 5;
  const std::size_t taken = front.size() + back.size() + std::string_view("[] ").size();
  if (taken + kNarrowestBar <= columns) {
    return fmt::format("{}[{}] {}", front, bar(fraction, std::min(kWidestBar, columns - taken)),
                       back);
  }
  return (front + back).substr(0, columns);
}

ProgressBar::ProgressBar(std::string label, bool wanted)
    : label_(std::move(label)),
      enabled_(wanted && is_terminal(STDERR_FILENO)),
      colored_(colors_wanted()) {}

ProgressBar::~ProgressBar() {
  if (shown_seconds_)
    write_stderr(fmt::format("\r{:{}}\r", "", terminal_columns(STDERR_FILENO) - 1));
}

ProgressCallback ProgressBar::callback() {
  return [this](const Progress& progress) {
    if (enabled_) update(progress);
    return !interrupted();
  };
}

void ProgressBar::update(const Progress& progress) {
  const double now = stopwatch_.seconds();
  if (shown_seconds_ && now - *shown_seconds_ < kSecondsBetweenUpdates) return;
  shown_seconds_ = now;
  // The last column stays free: a terminal that wraps at it would start a new line.
  const std::size_t columns = terminal_columns(STDERR_FILENO) - 1;
  std::string line = progress_line(label_, progress, now, columns);
  line.resize(columns, ' ');
  write_stderr(colored_ ? fmt::format("\r\x1b[36m{}\x1b[0m", line) : fmt::format("\r{}", line));
}

}  // namespace wpack::cli
