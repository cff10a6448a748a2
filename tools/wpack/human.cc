#include "human.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace wpack::cli {
namespace {

constexpr std::size_t kMaxColumnWidth = 72;

// Three significant digits: "1.24", "12.4", "124".
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

// Columns that `text` takes on a terminal, taking every character as one.
std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
  }));
}

}  // namespace

std::string human_size(std::uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(value), kUnits[unit]);
}

std::string human_count(std::uint64_t count) {
  std::string digits = fmt::format("{}", count);
  for (std::size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, 1, ',');
  return digits;
}

std::string human_count(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", human_count(count), noun, count == 1 ? "" : "s");
}

std::string human_duration(double seconds) {
  if (seconds < 0.9995e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 0.9995) return fmt::format("{} ms", three_digits(seconds * 1e3));
  return fmt::format("{} s", three_digits(seconds));
}

double bytes_per_second(std::uint64_t bytes, double seconds) {
  return seconds > 0 ? static_cast<double>(bytes) / seconds : 0;
}

std::string human_rate(std::uint64_t bytes, double seconds) {
  if (seconds <= 0) return "-";
  return human_size(static_cast<std::uint64_t>(bytes_per_second(bytes, seconds))) + "/s";
}

std::string human_shape(Shape shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

void Table::add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

void Table::add_line(std::string line) { rows_.push_back({std::move(line)}); }

std::string Table::text() const {
  std::string text;
  print(
      columns_,
      [this](const Visit& visit) {
        for (const Row& row : rows_) visit(row);
      },
      [&text](std::string_view line) { text += line; });
  return text;
}

void Table::print(const std::vector<Align>& columns,
                  const std::function<void(const Visit&)>& for_each,
                  const std::function<void(std::string_view)>& print_line) {
  std::vector<std::size_t> widths(columns.size(), 0);
  for_each([&](const Row& row) {
    if (row.size() != columns.size()) return;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t width = display_width(row[i]);
      if (width <= kMaxColumnWidth) widths[i] = std::max(widths[i], width);
    }
  });
  for_each([&](const Row& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t width = display_width(row[i]);
      const std::string pad(width < widths[i] && row.size() > 1 ? widths[i] - width : 0, ' ');
      if (i > 0) line += "  ";
      line += columns[i] == Align::kLeft ? row[i] + pad : pad + row[i];
    }
    line.resize(line.find_last_not_of(' ') + 1);
    line += '\n';
    print_line(line);
  });
}

}  // namespace wpack::cli
