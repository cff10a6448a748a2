#include "os/system_text.h"

#include <charconv>
#include <limits>

namespace wpack::os {
namespace {

constexpr std::string_view kBlanks = " \t\n\r";

// No machine has this much, and no limit this large limits anything.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 62;

// What follows `key` on the first line that starts with it and a blank or colon.
std::optional<std::string_view> find_line(std::string_view text, std::string_view key) noexcept {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.starts_with(key) || line.size() == key.size()) continue;
    const char next = line[key.size()];
    if (next == ':' || kBlanks.find(next) != std::string_view::npos)
      return trimmed(line.substr(key.size() + 1));
  }
  return std::nullopt;
}

std::optional<double> quotient(std::uint64_t quota, std::uint64_t period) noexcept {
  if (quota == 0 || period == 0) return std::nullopt;
  return static_cast<double>(quota) / static_cast<double>(period);
}

}  // namespace

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
    const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
    words.push_back(word);
    text.remove_prefix(word.size());
  }
  return words;
}

std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  text = trimmed(text);
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) noexcept {
  const auto line = find_line(text, key);
  if (!line) return std::nullopt;
  return parse_number(*line);
}

std::optional<std::uint64_t> find_meminfo(std::string_view text, std::string_view key) noexcept {
  const auto line = find_line(text, key);
  if (!line) return std::nullopt;
  if (!line->ends_with(" kB")) return parse_number(*line);
  const auto count = parse_number(line->substr(0, line->size() - 3));
  if (!count || *count > std::numeric_limits<std::uint64_t>::max() / 1024) return std::nullopt;
  return *count * 1024;
}

std::optional<std::string_view> selected_word(std::string_view text) noexcept {
  const std::size_t begin = text.find('[');
  if (begin == std::string_view::npos) return std::nullopt;
  const std::size_t end = text.find(']', begin);
  if (end == std::string_view::npos || end == begin + 1) return std::nullopt;
  return text.substr(begin + 1, end - begin - 1);
}

std::optional<std::optional<std::uint64_t>> parse_memory_limit(std::string_view text) noexcept {
  using Limit = std::optional<std::uint64_t>;
  if (trimmed(text) == "max") return Limit();
  const auto value = parse_number(text);
  if (!value) return std::nullopt;
  return *value >= kNoLimit ? Limit() : Limit(*value);
}

std::optional<std::optional<double>> parse_cpu_max(std::string_view text) noexcept {
  text = trimmed(text);
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return std::nullopt;
  const std::string_view period = text.substr(blank + 1);
  if (text.substr(0, blank) != "max") return parse_cfs_quota(text.substr(0, blank), period);
  if (!parse_number(period)) return std::nullopt;
  return std::optional<double>();
}

std::optional<std::optional<double>> parse_cfs_quota(std::string_view quota,
                                                     std::string_view period) noexcept {
  if (trimmed(quota) == "-1") return std::optional<double>();
  const auto microseconds = parse_number(quota);
  const auto every = parse_number(period);
  if (!microseconds || !every) return std::nullopt;
  const auto processors = quotient(*microseconds, *every);
  if (!processors) return std::nullopt;
  return processors;
}

}  // namespace wpack::os
