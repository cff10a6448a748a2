#include "output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr std::size_t kMaxLineSize = 4096;
constexpr std::size_t kMaxHeld = std::size_t{1} << 20;  // bytes of output, once nothing can fail

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

void report(std::string_view kind, std::string_view message) {
  std::string line = fmt::format("wpack: {}: ", kind);
  line += one_line(message, kMaxLineSize - line.size() - 1);
  line += '\n';
  (void)write_all(STDERR_FILENO, line);
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

// `"key": ` and its value for each member, each followed by ", ".
std::string dump_members(const Json& members) {
  std::string text;
  for (const auto& [key, value] : members.items())
    text += fmt::format("{}: {}, ", dump(Json(key), -1), dump(value, -1));
  return text;
}

}  // namespace

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      (void)::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

Error write_failure(std::string_view operand, int error) {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return {full ? ErrorCode::kLimit : ErrorCode::kIo, error,
          fmt::format("write to {}: {}", operand, std::generic_category().message(error))};
}

void Output::print(std::string_view text) {
  text_ += text;
  if (committed_ && text_.size() >= kMaxHeld) write();
}

void Output::write() {
  if (error_ == 0) error_ = write_all(STDOUT_FILENO, text_);
  text_.clear();
}

void Output::print_json(const Json& members) {
  Json document;
  document["schema"] = 1;
  document.update(members);
  text_ += dump(document, 2);
  text_ += '\n';
}

JsonRows::JsonRows(Output& out, std::string_view key, const Json& members) : out_(out) {
  out_.print(fmt::format("{{\"schema\": 1, {}{}: [", dump_members(members), dump(Json(key), -1)));
}

JsonRows::~JsonRows() { out_.print("\n]}\n"); }

void JsonRows::add(const Json& row) {
  out_.print(separator_);
  out_.print(dump(row, -1));
  separator_ = ",\n";
}

void JsonRows::open_row(const Json& members, std::string_view list) {
  out_.print(separator_);
  out_.print(fmt::format("{{{}{}: [", dump_members(members), dump(Json(list), -1)));
  list_separator_ = "\n  ";
}

void JsonRows::add_to_list(const Json& item) {
  out_.print(list_separator_);
  out_.print(dump(item, -1));
  list_separator_ = ",\n  ";
}

void JsonRows::close_row() {
  out_.print("]}");
  separator_ = ",\n";
}

Status Output::flush() {
  write();
  if (error_ == 0) return {};
  return write_failure("stdout", error_);
}

void print_swept(const std::vector<std::string>& names, Output& out) {
  for (const std::string& name : names) {
    out.print(fmt::format("removed what an earlier run had left: {}\n", escape_name(name)));
  }
}

void prepare_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Lowest number first, so that open() returns `fd`; read-only, so that writing still fails.
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF) (void)::open("/dev/null", O_RDONLY);
  }
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)std::signal(SIGXFSZ, SIG_IGN);
}

std::string one_line(std::string_view text, std::size_t max_size) {
  std::string line;
  for (const char byte : text) {
    const auto value = static_cast<unsigned char>(byte);
    if (value < 0x20 || value == 0x7F) {
      line += fmt::format("\\x{:02x}", value);
    } else {
      line += byte;
    }
  }
  if (line.size() <= max_size) return line;
  constexpr std::string_view kCut = "...";
  std::size_t kept = max_size - kCut.size();
  while (kept > 0 && is_continuation(line[kept])) --kept;
  return line.substr(0, kept).append(kCut);
}

void report_error(std::string_view message) { report("error", message); }
void report_warning(std::string_view message) { report("warning", message); }

}  // namespace wpack::cli
