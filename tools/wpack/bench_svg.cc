#include "bench_svg.h"

#include <fmt/format.h>

#include <algorithm>

#include "human.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr int kWidth = 900;
constexpr int kMargin = 20;
constexpr int kLabelWidth = 250;
constexpr int kValueWidth = 120;
constexpr int kBarHeight = 16;
constexpr int kBarStep = 24;
constexpr int kGroupTitleHeight = 34;
constexpr int kTitleHeight = 40;
constexpr int kNoteHeight = 30;

double largest(const ChartGroup& group) {
  double value = 0;
  for (const ChartBar& bar : group.bars) value = std::max({value, bar.value, bar.high});
  return value;
}

double share(double value, double whole) { return whole > 0 ? value / whole : 0; }

int height_of(const Chart& chart) {
  int height = kTitleHeight + kMargin + (chart.note.empty() ? 0 : kNoteHeight);
  for (const ChartGroup& group : chart.groups) {
    height += kGroupTitleHeight + kBarStep * static_cast<int>(group.bars.size());
  }
  return height;
}

std::string svg_text(int x, int y, int size, std::string_view attributes, std::string_view text) {
  return fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\"{}>{}</text>\n", x, y, size,
                     attributes, escape_xml(text));
}

// A bar, its whisker from lowest to highest, its label in front and its value behind.
std::string svg_bar(const ChartBar& bar, double whole, int top) {
  constexpr int kLeft = kMargin + kLabelWidth;
  constexpr int kSpan = kWidth - kLeft - kValueWidth - kMargin;
  const auto at = [&](double value) { return kLeft + share(value, whole) * kSpan; };
  const double middle = top + kBarHeight / 2.0;
  const int baseline = top + kBarHeight - 4;
  std::string svg = svg_text(kLeft - 8, baseline, 12, " text-anchor=\"end\"", bar.label);
  svg +=
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"{}\"/>\n", kLeft,
                  top, at(bar.value) - kLeft, kBarHeight, bar.emphasised ? "#1f6feb" : "#9aa4b2");
  svg += fmt::format(
      "<path d=\"M{0:.2f} {2:.2f}H{1:.2f}M{0:.2f} {3:.2f}V{4:.2f}M{1:.2f} {3:.2f}V{4:.2f}\" "
      "stroke=\"#24292f\" fill=\"none\"/>\n",
      at(bar.low), at(bar.high), middle, middle - 4, middle + 4);
  svg +=
      svg_text(kWidth - kMargin, baseline, 12, " text-anchor=\"end\"", human_duration(bar.value));
  return svg;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (const char byte : escape_name(text)) {
    switch (byte) {
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '&':
        escaped += "&amp;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&apos;";
        break;
      default:
        escaped += byte;
    }
  }
  return escaped;
}

std::string svg_of(const Chart& chart) {
  const int height = height_of(chart);
  std::string svg = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" fill=\"#24292f\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      kWidth, height);
  svg += svg_text(kMargin, kTitleHeight - 12, 16, " font-weight=\"bold\"", chart.title);
  int top = kTitleHeight;
  for (const ChartGroup& group : chart.groups) {
    svg +=
        svg_text(kMargin, top + kGroupTitleHeight - 12, 13, " font-weight=\"bold\"", group.title);
    top += kGroupTitleHeight;
    const double whole = largest(group);
    for (const ChartBar& bar : group.bars) {
      svg += svg_bar(bar, whole, top);
      top += kBarStep;
    }
  }
  if (!chart.note.empty()) svg += svg_text(kMargin, top + kNoteHeight - 10, 11, "", chart.note);
  return svg + "</svg>\n";
}

std::string text_bars_of(const Chart& chart, std::size_t columns, bool colored) {
  std::size_t label_width = 0;
  for (const ChartGroup& group : chart.groups) {
    for (const ChartBar& bar : group.bars) label_width = std::max(label_width, bar.label.size());
  }
  constexpr std::size_t kWidestLabel = 32;
  constexpr std::size_t kTextWidth = 10;  // of the value
  label_width = std::min(label_width, kWidestLabel);
  const std::size_t taken = label_width + kTextWidth + 3;
  const std::size_t span = columns > taken + 8 ? columns - taken : 8;
  std::string text;
  for (const ChartGroup& group : chart.groups) {
    text += fmt::format("{}\n", group.title);
    const double whole = largest(group);
    for (const ChartBar& bar : group.bars) {
      const auto at = [&](double value) {
        return static_cast<std::size_t>(share(value, whole) * static_cast<double>(span));
      };
      const std::size_t filled = std::max<std::size_t>(at(bar.value), 1);
      const std::size_t reach = std::max(at(bar.high), filled);
      const std::string bars = std::string(filled, '#') + std::string(reach - filled, '-');
      const bool stands_out = colored && bar.emphasised;
      text += fmt::format("{:{}.{}} {:>{}} {}{}{}\n", bar.label, label_width, label_width,
                          human_duration(bar.value), kTextWidth, stands_out ? "\x1b[36m" : "", bars,
                          stands_out ? "\x1b[0m" : "");
    }
  }
  return text;
}

}  // namespace wpack::cli
