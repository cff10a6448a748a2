// Names, patterns, sizes and what is printed of them: an input is taken apart into texts. Each
// function is held against a slow one that is simple enough to be right.
#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/glob.h"
#include "base/natural_order.h"
#include "fuzz_target.h"
#include "human.h"
#include "input.h"
#include "output.h"
#include "pack/layer_rules.h"
#include "pack/name_pattern.h"
#include "property.h"
#include "size_option.h"
#include "wpack/text.h"

namespace wpack::fuzz {
namespace {

using packing::LayerPattern;
using packing::LayerRules;

// Every way to split the text at a star.
bool glob(std::string_view pattern, std::string_view text) {
  std::vector<bool> matches(text.size() + 1, false);  // of the pattern so far: the first i bytes
  matches[0] = true;
  for (const char wanted : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (wanted == '*') {
        next[i] = matches[i] || (i > 0 && next[i - 1]);
      } else {
        next[i] = i > 0 && matches[i - 1] && (wanted == '?' || wanted == text[i - 1]);
      }
    }
    matches = std::move(next);
  }
  return matches.back();
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

using Segments = std::vector<std::string_view>;

// True if the patterns match exactly the segments.
bool segments_match(const Segments& patterns, std::size_t p, const Segments& name, std::size_t n,
                    std::size_t end) {
  if (p == patterns.size()) return n == end;
  if (patterns[p] == "**") {
    for (std::size_t skip = n; skip <= end; ++skip)
      if (segments_match(patterns, p + 1, name, skip, end)) return true;
    return false;
  }
  if (n == end) return false;
  const bool here = patterns[p] == "N" ? is_decimal(name[n]) : glob(patterns[p], name[n]);
  return here && segments_match(patterns, p + 1, name, n + 1, end);
}

void check_glob(std::string_view pattern, std::string_view text) {
  require(base::glob_matches(pattern, text) == glob(pattern, text),
          "a glob matches what its definition says");
}

void check_layer_pattern(std::string_view text, std::string_view name) {
  const auto pattern = LayerPattern::parse(text);
  const Segments patterns = packing::split_segments(text);
  const bool has_empty = std::ranges::find(patterns, "") != patterns.end();
  require(pattern.has_value() != has_empty, "a pattern is refused for an empty segment alone");
  if (!pattern) return require_one_line(pattern.error().message(), "a message");
  const auto stars = std::ranges::count(patterns, "**");
  const Segments segments = packing::split_segments(name);
  if (stars > 3 || segments.size() > 12) return;  // where the definition takes for ever
  std::optional<std::string_view> expected;
  std::size_t size = 0;
  for (std::size_t end = 1; end < segments.size() && !expected; ++end) {
    size += segments[end - 1].size() + (end > 1 ? 1 : 0);
    if (size > 0 && segments_match(patterns, 0, segments, 0, end)) expected = name.substr(0, size);
  }
  require(pattern->match(name) == expected, "a layer pattern matches the shortest front");
}

void check_layer_rules(std::string_view pattern, std::string_view name) {
  for (const bool own : {false, true}) {
    const auto rules = LayerRules::create(own ? std::vector<std::string>{std::string(pattern)}
                                              : std::vector<std::string>{});
    if (!rules) continue;
    const std::string_view layer = rules->layer_of(name);
    require(name.starts_with(layer), "a layer is a front of the name");
    require(layer.size() == name.size() || name[layer.size()] == '.', "a layer is whole segments");
    require(!layer.empty() || name.empty(), "a layer has a name");
    (void)packing::stage_of_layer(layer);
  }
}

void check_order(std::string_view a, std::string_view b, std::string_view c) {
  using base::natural_compare;
  require(natural_compare(a, a) == 0, "a name equals itself");
  require((natural_compare(a, b) == 0) == (a == b), "names that differ are ordered");
  require((natural_compare(a, b) < 0) == (natural_compare(b, a) > 0), "the order is one way");
  if (natural_compare(a, b) < 0 && natural_compare(b, c) < 0)
    require(natural_compare(a, c) < 0, "the order is transitive");
}

// The characters of UTF-8 by RFC 3629's table of byte ranges.
std::size_t character_size(std::string_view text) {
  const auto at = [text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto in = [](unsigned value, unsigned low, unsigned high) {
    return low <= value && value <= high;
  };
  const unsigned lead = at(0);
  if (lead < 0x80) return 1;
  if (in(lead, 0xC2, 0xDF)) return in(at(1), 0x80, 0xBF) ? 2 : 0;
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (!in(at(1), low, high) || !in(at(2), 0x80, 0xBF)) return 0;
  if (in(lead, 0xE0, 0xEF)) return 3;
  return in(lead, 0xF0, 0xF4) && in(at(3), 0x80, 0xBF) ? 4 : 0;
}

void check_utf8(std::string_view text) {
  bool valid = true;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t size = character_size(rest);
    const auto decoded = base::decode_utf8(rest);
    require(decoded.has_value() == (size != 0), "a character is decoded if it is one");
    require(!decoded || decoded->size == size, "a character has its size");
    valid = valid && size != 0;
    rest.remove_prefix(std::max<std::size_t>(size, 1));
  }
  require(base::is_utf8(text) == valid, "a text is UTF-8 if its characters are");
}

int hex_digit(char digit) {
  const std::size_t value = std::string_view("0123456789abcdef").find(digit);
  require(value != std::string_view::npos, "an escape holds hexadecimal digits");
  return static_cast<int>(value);
}

void append_utf8(unsigned code_point, std::string& out) {
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0U | (code_point >> 6U));
    out += static_cast<char>(0x80U | (code_point & 0x3FU));
  } else {
    out += static_cast<char>(0xE0U | (code_point >> 12U));
    out += static_cast<char>(0x80U | ((code_point >> 6U) & 0x3FU));
    out += static_cast<char>(0x80U | (code_point & 0x3FU));
  }
}

std::string unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '\\') {
      out += text.front();
      text.remove_prefix(1);
    } else if (text.starts_with("\\\\")) {
      out += '\\';
      text.remove_prefix(2);
    } else if (text.starts_with("\\x")) {
      out += static_cast<char>(hex_digit(text.at(2)) * 16 + hex_digit(text.at(3)));
      text.remove_prefix(4);
    } else {
      require(text.starts_with("\\u{"), "a backslash begins an escape");
      unsigned code_point = 0;
      for (text.remove_prefix(3); text.front() != '}'; text.remove_prefix(1))
        code_point = code_point * 16 + static_cast<unsigned>(hex_digit(text.front()));
      append_utf8(code_point, out);
      text.remove_prefix(1);
    }
  }
  return out;
}

// No control character of ASCII or C1, no line separator, no override of the direction.
void require_printable(std::string_view text) {
  require_one_line(text, "escaped text");
  for (std::string_view rest = text; !rest.empty();) {
    const auto decoded = base::decode_utf8(rest);
    const char32_t c = decoded->code_point;
    require(c >= 0xA0 || c < 0x7F, "escaped text has no C1 control");
    require(!(c >= 0x2028 && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069) && c != 0x200E &&
                c != 0x200F && c != 0xFEFF && c != 0x061C,
            "escaped text has no separator, and nothing that turns its direction");
    rest.remove_prefix(decoded->size);
  }
}

void check_escape(std::string_view name, std::size_t max_size) {
  const std::string whole = escape_name(name, std::numeric_limits<std::size_t>::max());
  require_printable(whole);
  require(unescape(whole) == name, "an escaped name says what the name is");
  const std::string cut = escape_name(name, max_size);
  require_printable(cut);
  require(cut.size() <= std::max<std::size_t>(max_size, 3), "a name is cut to the size");
  require(whole.size() > max_size || cut == whole, "a name that fits is not cut");
  const std::string line = cli::one_line(name, max_size + 3);
  require(line.size() <= max_size + 3, "a line is cut to the size");
  require(std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }),
          "a line holds no control byte");
}

// The value by arithmetic that cannot overflow.
std::optional<unsigned __int128> size_of(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return std::nullopt;
  unsigned __int128 value = 0;
  constexpr auto kTooLarge = static_cast<unsigned __int128>(1) << 64U;
  for (const char digit : text.substr(0, digits))
    value = std::min(value * 10 + static_cast<unsigned>(digit - '0'), kTooLarge);
  std::string unit(text.substr(digits));
  for (char& c : unit)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  if (unit.empty() || unit == "b") return value;
  const std::size_t power = std::string_view("kmgt").find(unit[0]);
  if (power == std::string_view::npos) return std::nullopt;
  const std::string rest = unit.substr(1);
  if (!rest.empty() && rest != "b" && rest != "ib") return std::nullopt;
  for (std::size_t i = 0; i <= power; ++i) value *= rest == "b" ? 1000 : 1024;
  return value;
}

void check_size(std::string_view text) {
  const auto size = cli::parse_size(text);
  const auto expected = size_of(text);
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  require(size.has_value() == (expected && *expected <= kMax), "a size is read if it is one");
  if (!size) return require_one_line(size.error().message(), "a message");
  require(*size == *expected, "a size has its value");
  std::string digits = cli::human_count(*size);
  std::erase(digits, ',');
  require(digits == std::to_string(*size), "a count has its digits");
  require(cli::human_size(*size).size() <= 8, "a size is short");
}

// What is printed as JSON is JSON, in UTF-8, whatever the texts are.
void check_json(std::string_view key, std::string_view value) {
  if (key == "schema") return;  // is always there
  cli::Json members;
  members[std::string(key)] = value;
  cli::Output object;
  object.print_json(members);
  cli::Output list;
  {
    cli::JsonRows rows(list, key);
    rows.add(members);
    rows.add({value, 7, nullptr});
  }
  for (const std::string_view text : {object.text(), list.text()}) {
    require(base::is_utf8(text), "what is printed is UTF-8");
    const auto back = nlohmann::json::parse(text, nullptr, false);
    require(back.is_object() && back.at("schema") == 1, "what is printed is JSON");
  }
  if (!base::is_utf8(key) || !base::is_utf8(value)) return;
  const auto printed = nlohmann::json::parse(list.text());
  require(nlohmann::json::parse(object.text()).at(std::string(key)) == value &&
              printed.at(std::string(key)).at(0).at(std::string(key)) == value &&
              printed.at(std::string(key)).at(1).at(0) == value,
          "JSON holds what was printed");
}

void run(Input& input) {
  const std::uint8_t kind = input.byte();
  const std::size_t max_size = input.byte();
  const std::string a(input.text(input.byte()));
  const std::string b(input.text(input.byte()));
  const std::string c(input.rest());
  switch (kind % 6) {
    case 0:
      return check_glob(a, b);
    case 1:
      check_layer_pattern(a, b);
      return check_layer_rules(a, b);
    case 2:
      return check_order(a, b, c);
    case 3:
      check_utf8(a);
      return check_escape(a, max_size);
    case 4:
      return check_size(a);
    default:
      return check_json(a, b);
  }
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wpack::fuzz::Input input(data, size);
  wpack::fuzz::run(input);
  return 0;
}
