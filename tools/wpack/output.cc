#include "output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace wpack::cli {
namespace {

constexpr std::size_t kMaxLineSize = 4096;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// Returns errno, or 0 when all of `text` was written.
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

void report(std::string_view kind, std::string_view message) {
  std::string line = fmt::format("wpack: {}: ", kind);
  line += one_line(message, kMaxLineSize - line.size() - 1);
  line += '\n';
  (void)write_all(STDERR_FILENO, line);
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

}  // namespace

void Output::print_json(const Json& members) {
  Json document;
  document["schema"] = 1;
  document.update(members);
  text_ += dump(document, 2);
  text_ += '\n';
}

JsonRows::JsonRows(Output& out, std::string_view key) : out_(out) {
  out_.print(fmt::format("{{\"schema\": 1, {}: [", dump(Json(key), -1)));
}

JsonRows::~JsonRows() { out_.print("\n]}\n"); }

void JsonRows::add(const Json& row) {
  out_.print(separator_);
  out_.print(dump(row, -1));
  separator_ = ",\n";
}

Status Output::flush() {
  const int error = write_all(STDOUT_FILENO, text_);
  text_.clear();
  if (error == 0) return {};
  return Error(ErrorCode::kIo, error,
               fmt::format("write to stdout: {}", std::generic_category().message(error)));
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
