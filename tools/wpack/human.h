// Numbers and tables for people. Units are decimal, as disks and rates are quoted: 1 GB is 10^9
// bytes. Programs read --json, which prints plain numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/types.h"

namespace wpack::cli {

// "512 B", "1.50 MB", "12.3 GB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);
// "1,234,567".
[[nodiscard]] std::string human_count(std::uint64_t count);
// "1,234 tensors", "1 tensor": the plural of `noun` is made with an s.
[[nodiscard]] std::string human_count(std::uint64_t count, std::string_view noun);
// "85 us", "1.24 ms", "12.3 s".
[[nodiscard]] std::string human_duration(double seconds);
// "1.23 GB/s"; "-" when no time has passed.
[[nodiscard]] std::string human_rate(std::uint64_t bytes, double seconds);
// "[32000, 4096]"; "[]" for a 0-d tensor.
[[nodiscard]] std::string human_shape(Shape shape);
// 0 when no time has passed.
[[nodiscard]] double bytes_per_second(std::uint64_t bytes, double seconds);

// Text in columns. A cell that is wider than the widest column allowed sticks out of its row
// instead of widening all others.
class Table {
 public:
  enum class Align { kLeft, kRight };

  explicit Table(std::vector<Align> columns) : columns_(std::move(columns)) {}

  // Adds a row of one cell for each column.
  void add_row(std::vector<std::string> cells);
  // Adds a line that spans all columns.
  void add_line(std::string line);

  // Returns the lines, each with its end of line and without trailing blanks.
  [[nodiscard]] std::string text() const;

  // The same of rows that are not kept: `for_each` calls its argument with the cells of every row,
  // once for their widths and once to print them.
  using Row = std::vector<std::string>;
  using Visit = std::function<void(const Row&)>;
  static void print(const std::vector<Align>& columns,
                    const std::function<void(const Visit&)>& for_each,
                    const std::function<void(std::string_view)>& print_line);

 private:
  std::vector<Align> columns_;
  std::vector<Row> rows_;  // a row of one cell is a line
};

}  // namespace wpack::cli
