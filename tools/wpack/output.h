// Where the command's words go: data to stdout in one piece, everything else to stderr line by
// line.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"

namespace wpack::cli {

// JSON with its keys in the order in which they were set.
using Json = nlohmann::ordered_json;

// Returns null for no value.
template <typename T>
[[nodiscard]] Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// What a command has to say on stdout. It is collected and written when the command has ended, so
// that a command that fails early leaves stdout empty.
class Output {
 public:
  void print(std::string_view text);

  // Says that nothing but writing can fail from here on: what is printed need no longer be kept.
  void commit() noexcept { committed_ = true; }
  // What was printed since it was last written. Valid until something is printed.
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

  // Prints a JSON object whose first member is "schema". Text that is not UTF-8 (a path, never a
  // name) is printed with replacement characters.
  void print_json(const Json& members);

  // Writes what was printed to stdout. Errors: kLimit (a full disk or quota), kIo; with EPIPE as
  // its errno the reader has gone away, which is no reason for a message.
  [[nodiscard]] Status flush();

 private:
  void write();

  std::string text_;
  int error_ = 0;  // errno of the first write that failed
  bool committed_ = false;
};

// Prints {"schema": 1, members..., `key`: [...]} row by row, one row a line. Complete when it is
// destroyed.
class JsonRows {
 public:
  JsonRows(Output& out, std::string_view key, const Json& members = Json::object());
  JsonRows(const JsonRows&) = delete;
  JsonRows& operator=(const JsonRows&) = delete;
  ~JsonRows();
  void add(const Json& row);

  // A row that is an object with a list of its own, as its last member.
  void open_row(const Json& members, std::string_view list);
  void add_to_list(const Json& item);
  void close_row();

 private:
  Output& out_;
  std::string_view separator_ = "\n";
  std::string_view list_separator_;
};

// Prints the names of what dead runs had left and this one removed.
void print_swept(const std::vector<std::string>& names, Output& out);

// Opens /dev/null in place of standard streams that are closed, so that no file of a container
// can take their numbers; and makes writing to a closed pipe or past a file size limit an error
// of the call instead of a signal.
void prepare_standard_streams();

// Returns `text` as a single line that is safe for a terminal: control characters become \xHH, and
// what does not fit into `max_size` bytes is cut off.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max_size);

// Writes all of `text`, waiting where `fd` does not take it at once. Returns 0, or errno.
[[nodiscard]] int write_all(int fd, std::string_view text);

// Returns the failure of writing to `operand`: kLimit if the disk or a quota is full, else kIo.
[[nodiscard]] Error write_failure(std::string_view operand, int error);

// Print one line to stderr: "wpack: error: ..." and "wpack: warning: ...", at most 4 KiB.
void report_error(std::string_view message);
void report_warning(std::string_view message);

}  // namespace wpack::cli
