#include "export/pickle_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "base/little_endian.h"
#include "wpack/text.h"

namespace wpack::exporting {
namespace {

constexpr char kProto = '\x80';
constexpr char kVersion = '\x02';
constexpr char kMark = '(';
constexpr char kEmptyTuple = ')';
constexpr char kTuple = 't';
constexpr char kReduce = 'R';
constexpr char kBinPersistentId = 'Q';
constexpr char kSetItems = 'u';
constexpr char kNone = 'N';
constexpr char kNewTrue = '\x88';
constexpr char kNewFalse = '\x89';
constexpr char kBinInt1 = 'K';
constexpr char kBinInt2 = 'M';
constexpr char kBinInt = 'J';
constexpr char kLong1 = '\x8a';
constexpr char kBinFloat = 'G';
constexpr char kBinUnicode = 'X';
constexpr char kGlobal = 'c';
constexpr char kBinPut = 'q';
constexpr char kBinGet = 'h';
constexpr char kStop = '.';

constexpr std::size_t kMaxLongSize = 255;
// No 255 bytes hold more; a bound on the work that one number can cause.
constexpr std::size_t kMaxDigits = 620;

// Returns the magnitude of decimal digits, little-endian, without leading zeros.
std::vector<std::uint8_t> to_binary(std::string_view digits) {
  std::vector<std::uint8_t> binary;
  for (const char digit : digits) {
    auto carry = static_cast<unsigned>(digit - '0');
    for (std::uint8_t& byte : binary) {
      carry += byte * 10U;
      byte = static_cast<std::uint8_t>(carry & 0xFFU);
      carry >>= 8U;
    }
    if (carry != 0) binary.push_back(static_cast<std::uint8_t>(carry));
  }
  return binary;
}

// Turns a magnitude into two's complement with a sign bit.
void to_twos_complement(std::vector<std::uint8_t>& binary, bool negative) {
  binary.push_back(0);
  if (negative) {
    unsigned carry = 1;
    for (std::uint8_t& byte : binary) {
      carry += static_cast<std::uint8_t>(~byte);
      byte = static_cast<std::uint8_t>(carry & 0xFFU);
      carry >>= 8U;
    }
  }
  // A byte that only repeats the sign of the byte below it is left out.
  const auto repeats_sign = [&] {
    const bool below_negative = (binary[binary.size() - 2] & 0x80U) != 0;
    return binary.back() == (below_negative ? 0xFF : 0x00);
  };
  while (binary.size() > 1 && repeats_sign()) binary.pop_back();
}

}  // namespace

PickleWriter::PickleWriter() { out_ = {kProto, kVersion}; }

void PickleWriter::mark() { out_ += kMark; }
void PickleWriter::empty_tuple() { out_ += kEmptyTuple; }
void PickleWriter::tuple() { out_ += kTuple; }
void PickleWriter::reduce() { out_ += kReduce; }
void PickleWriter::persistent_id() { out_ += kBinPersistentId; }
void PickleWriter::set_items() { out_ += kSetItems; }
void PickleWriter::none() { out_ += kNone; }
void PickleWriter::boolean(bool value) { out_ += value ? kNewTrue : kNewFalse; }

void PickleWriter::integer(std::uint64_t value) {
  if (value <= std::numeric_limits<std::uint8_t>::max()) {
    out_ += kBinInt1;
    base::append_le(out_, static_cast<std::uint8_t>(value));
  } else if (value <= std::numeric_limits<std::uint16_t>::max()) {
    out_ += kBinInt2;
    base::append_le(out_, static_cast<std::uint16_t>(value));
  } else if (value <= std::uint64_t{std::numeric_limits<std::int32_t>::max()}) {
    out_ += kBinInt;
    base::append_le(out_, static_cast<std::uint32_t>(value));
  } else {
    std::string bytes;
    base::append_le(bytes, value);
    bytes += '\0';  // the sign
    while (bytes.size() > 1 && bytes.back() == '\0' && (bytes[bytes.size() - 2] & '\x80') == 0)
      bytes.pop_back();
    long_integer(bytes);
  }
}

Status PickleWriter::decimal(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  const bool valid = !digits.empty() && digits.size() <= kMaxDigits &&
                     std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  std::vector<std::uint8_t> binary;
  if (valid) binary = to_binary(digits);
  to_twos_complement(binary, negative);
  if (!valid || binary.size() > kMaxLongSize) {
    return Error(ErrorCode::kBadInput, fmt::format("\"{}\" is not an integer that a checkpoint "
                                                   "can hold",
                                                   escape_name(text, 64)));
  }
  if (!negative && binary.size() <= sizeof(std::uint32_t)) {
    std::uint64_t value = 0;
    for (std::size_t i = binary.size(); i-- > 0;) value = value << 8U | binary[i];
    integer(value);
    return {};
  }
  long_integer({reinterpret_cast<const char*>(binary.data()), binary.size()});
  return {};
}

void PickleWriter::long_integer(std::string_view little_endian) {
  out_ += kLong1;
  out_ += static_cast<char>(little_endian.size());
  out_ += little_endian;
}

void PickleWriter::floating(double value) {
  std::string bytes;
  base::append_le(bytes, std::bit_cast<std::uint64_t>(value));
  std::ranges::reverse(bytes);  // the one big-endian field of the format
  out_ += kBinFloat;
  out_ += bytes;
}

void PickleWriter::text(std::string_view value) {
  out_ += kBinUnicode;
  base::append_le(out_, static_cast<std::uint32_t>(value.size()));
  out_ += value;
}

void PickleWriter::repeated_text(std::string_view value) {
  const std::string key = fmt::format("text {}", value);
  if (recall(key)) return;
  text(value);
  remember(key);
}

void PickleWriter::global(std::string_view module, std::string_view name) {
  const std::string key = fmt::format("global {} {}", module, name);
  if (recall(key)) return;
  out_ += fmt::format("{}{}\n{}\n", kGlobal, module, name);
  remember(key);
}

void PickleWriter::shape(std::span<const std::uint64_t> values) {
  if (values.empty()) return empty_tuple();
  mark();
  for (const std::uint64_t value : values) integer(value);
  tuple();
}

bool PickleWriter::recall(const std::string& key) {
  const auto found = memo_.find(key);
  if (found == memo_.end()) return false;
  out_ += kBinGet;
  out_ += static_cast<char>(found->second);
  return true;
}

void PickleWriter::remember(const std::string& key) {
  if (memo_.size() > std::numeric_limits<std::uint8_t>::max()) return;
  const auto slot = static_cast<std::uint8_t>(memo_.size());
  memo_.emplace(key, slot);
  out_ += kBinPut;
  out_ += static_cast<char>(slot);
}

std::string PickleWriter::finish() && {
  out_ += kStop;
  return std::move(out_);
}

}  // namespace wpack::exporting
