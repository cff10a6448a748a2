// Charts of a comparison: as an SVG file, and as bars of text.
//
// Pure functions; nothing here fails. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace wpack::cli {

struct ChartBar {
  std::string label;
  double value = 0;
  double low = 0;   // where the whisker begins
  double high = 0;  // where it ends
  bool emphasised = false;
};

// Bars that are drawn to one scale, from 0.
struct ChartGroup {
  std::string title;
  std::vector<ChartBar> bars;
};

struct Chart {
  std::string title;
  std::string note;  // a line below; may be empty
  std::vector<ChartGroup> groups;
};

// Returns `text` for use in XML, between tags or in an attribute: < > & " ' as entities, and what
// XML cannot hold (control characters, bytes that are not UTF-8) as \xHH.
[[nodiscard]] std::string escape_xml(std::string_view text);

// Returns an SVG document, whole and by itself. Values are seconds.
[[nodiscard]] std::string svg_of(const Chart& chart);

// Returns lines of at most `columns` columns, with their ends. Values are seconds. With `colored`,
// escape sequences make emphasised bars stand out.
[[nodiscard]] std::string text_bars_of(const Chart& chart, std::size_t columns, bool colored);

}  // namespace wpack::cli
