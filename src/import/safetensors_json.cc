#include "import/safetensors_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "base/json_text.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";
constexpr std::uint64_t kMaxInteger = std::uint64_t{1} << 53;  // exact in every JSON reader
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxMetadataEntries = 65'536;
constexpr std::size_t kMaxMetadataSize = std::size_t{8} << 20;  // of the container's format
constexpr std::size_t kMaxFields = 4'096;  // of one entry, or of one object inside it
// What an entry takes while its list grows and is then turned into another, with its shape; and a
// key in a set.
constexpr std::uint64_t kEntrySize = 3 * sizeof(SafetensorsEntry);
constexpr std::uint64_t kKeySize = 96;

// What the next value must be.
enum class Expected {
  kHeader,
  kMetadata,
  kMetadataText,
  kEntry,
  kDType,
  kShape,
  kDimension,
  kOffsets,
  kOffset,
  kAnything,  // inside a field that is not known
};

std::string_view describe(Expected expected) {
  switch (expected) {
    case Expected::kHeader:
      return "the header must be an object";
    case Expected::kMetadata:
      return "__metadata__ must be an object or null";
    case Expected::kMetadataText:
      return "a value of __metadata__ must be a string";
    case Expected::kEntry:
      return "the entry must be an object";
    case Expected::kDType:
      return "dtype must be a string";
    case Expected::kShape:
      return "shape must be a list";
    case Expected::kDimension:
      return "shape must hold integers of 0 to 2^53";
    case Expected::kOffsets:
      return "data_offsets must be a list";
    case Expected::kOffset:
      return "data_offsets must hold integers of 0 to 2^53";
    case Expected::kAnything:
      break;
  }
  return "unexpected value";
}

// An open object or array.
enum class Level { kHeader, kMetadata, kEntry, kShape, kOffsets, kUnknown };

// Receives the parser's events, whose order is that of well-formed JSON. Each returns false to stop
// the parser, with the reason in `error_`.
class HeaderHandler {
 public:
  HeaderHandler(const base::JsonText& text, MemoryMeter& meter) : text_(text), meter_(meter) {}

  SafetensorsJson& result() { return result_; }
  std::optional<Error>& error() { return error_; }

  // The names are those of the parser's interface.
  bool null() {
    return expected_ == Expected::kMetadata || expected_ == Expected::kAnything || fail_type();
  }
  bool boolean(bool) { return scalar(); }
  bool number_integer(std::int64_t) { return scalar(); }
  bool number_float(double, const std::string&) { return scalar(); }
  bool binary(std::vector<std::uint8_t>&) { return scalar(); }
  bool number_unsigned(std::uint64_t value);
  bool string(std::string& value);
  bool start_object(std::size_t);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return fail(ErrorCode::kBadInput, "it is not valid JSON", position);
  }

 private:
  bool scalar() { return expected_ == Expected::kAnything || fail_type(); }
  bool open(Level level, Expected expected);
  bool close();
  bool top_key(std::string& name);
  bool metadata_key(std::string& name);
  bool field_key(std::string& name);
  bool unknown_key(const std::string& name);
  bool finish_entry();
  bool charge(std::uint64_t bytes);
  bool fail_type() { return fail(ErrorCode::kBadInput, describe(expected_), position()); }
  bool fail(ErrorCode code, std::string_view reason, std::size_t position);
  [[nodiscard]] std::size_t position() const { return text_.position(); }

  const base::JsonText& text_;
  MemoryMeter& meter_;
  SafetensorsJson result_;
  std::optional<Error> error_;
  Expected expected_ = Expected::kHeader;
  std::vector<Level> levels_;
  bool in_entry_ = false;
  bool has_metadata_ = false;
  std::size_t metadata_size_ = 0;  // bytes of keys and values
  bool has_dtype_ = false;
  bool has_shape_ = false;
  std::optional<std::size_t> offset_count_;
  std::vector<std::set<std::string>> unknown_keys_;  // of the entry and of each object inside it
};

bool HeaderHandler::fail(ErrorCode code, std::string_view reason, std::size_t position) {
  const std::string entry =
      in_entry_ ? fmt::format("tensor \"{}\": ", escape_name(result_.entries.back().name)) : "";
  error_.emplace(code, fmt::format("{}{} (header offset {})", entry, reason, position));
  return false;
}

bool HeaderHandler::charge(std::uint64_t bytes) {
  meter_.add(bytes);
  const Status status = meter_.check();
  return status || fail(ErrorCode::kLimit, status.error().message(), position());
}

bool HeaderHandler::number_unsigned(std::uint64_t value) {
  if (expected_ == Expected::kAnything) return true;
  if (value > kMaxInteger) return fail_type();
  if (expected_ == Expected::kDimension) {
    auto& shape = result_.entries.back().shape;
    if (shape.size() == kMaxRank)
      return fail(ErrorCode::kBadInput, "more than 32 dimensions", position());
    shape.push_back(value);
    return true;
  }
  if (expected_ != Expected::kOffset) return fail_type();
  SafetensorsEntry& entry = result_.entries.back();
  if (*offset_count_ == 2)
    return fail(ErrorCode::kBadInput, "data_offsets must hold two integers", position());
  (*offset_count_ == 0 ? entry.begin : entry.end) = value;
  ++*offset_count_;
  return true;
}

bool HeaderHandler::string(std::string& value) {
  if (expected_ == Expected::kMetadataText) {
    metadata_size_ += value.size();
    if (metadata_size_ > kMaxMetadataSize)
      return fail(ErrorCode::kLimit, "__metadata__ has more than 8388608 bytes", position());
    result_.metadata.back().value = std::move(value);
    return true;
  }
  if (expected_ == Expected::kDType) {
    result_.entries.back().dtype = std::move(value);
    return true;
  }
  return scalar();
}

bool HeaderHandler::open(Level level, Expected expected) {
  if (levels_.size() == kMaxDepth)
    return fail(ErrorCode::kBadInput, "it is nested too deeply", position());
  levels_.push_back(level);
  expected_ = expected;
  return true;
}

bool HeaderHandler::close() {
  levels_.pop_back();
  return true;
}

bool HeaderHandler::start_object(std::size_t) {
  switch (expected_) {
    case Expected::kHeader:
      return open(Level::kHeader, Expected::kEntry);
    case Expected::kMetadata:
      return open(Level::kMetadata, Expected::kMetadataText);
    case Expected::kEntry:
      unknown_keys_.emplace_back();
      return open(Level::kEntry, Expected::kAnything);
    case Expected::kAnything:
      unknown_keys_.emplace_back();
      return open(Level::kUnknown, Expected::kAnything);
    default:
      return fail_type();
  }
}

bool HeaderHandler::key(std::string& name) {
  switch (levels_.back()) {
    case Level::kHeader:
      return top_key(name);
    case Level::kMetadata:
      return metadata_key(name);
    case Level::kEntry:
      return field_key(name);
    default:
      return unknown_key(name);
  }
}

bool HeaderHandler::top_key(std::string& name) {
  if (name == kMetadataKey) {
    if (has_metadata_) return fail(ErrorCode::kBadInput, "__metadata__ appears twice", position());
    has_metadata_ = true;
    expected_ = Expected::kMetadata;
    return true;
  }
  if (!charge(kEntrySize + name.capacity())) return false;
  result_.entries.push_back({.name = std::move(name), .dtype = {}, .shape = {}});
  in_entry_ = true;
  has_dtype_ = false;
  has_shape_ = false;
  offset_count_.reset();
  expected_ = Expected::kEntry;
  return true;
}

bool HeaderHandler::metadata_key(std::string& name) {
  if (result_.metadata.size() == kMaxMetadataEntries)
    return fail(ErrorCode::kLimit, "__metadata__ has more than 65536 entries", position());
  metadata_size_ += name.size();
  result_.metadata.push_back({.key = std::move(name), .value = {}});
  return true;
}

bool HeaderHandler::field_key(std::string& name) {
  const bool twice = (name == "dtype" && has_dtype_) || (name == "shape" && has_shape_) ||
                     (name == "data_offsets" && offset_count_);
  if (twice) return fail(ErrorCode::kBadInput, fmt::format("{} appears twice", name), position());
  if (name == "dtype") {
    has_dtype_ = true;
    expected_ = Expected::kDType;
  } else if (name == "shape") {
    has_shape_ = true;
    expected_ = Expected::kShape;
  } else if (name == "data_offsets") {
    offset_count_ = 0;
    expected_ = Expected::kOffsets;
  } else {
    if (++result_.unknown_field_count == 1) {
      result_.first_unknown_field = name;
      result_.unknown_field_entry = result_.entries.back().name;
    }
    return unknown_key(name);
  }
  return true;
}

bool HeaderHandler::unknown_key(const std::string& name) {
  expected_ = Expected::kAnything;
  std::set<std::string>& keys = unknown_keys_.back();
  if (!charge(kKeySize + name.size())) return false;
  if (keys.size() == kMaxFields)
    return fail(ErrorCode::kLimit, "an object has more than 4096 unknown fields", position());
  if (keys.insert(name).second) return true;
  return fail(ErrorCode::kBadInput,
              fmt::format("field \"{}\" appears twice", escape_name(name, 64)), position());
}

bool HeaderHandler::end_object() {
  const Level level = levels_.back();
  if (level == Level::kEntry && !finish_entry()) return false;
  if (level == Level::kEntry || level == Level::kUnknown) unknown_keys_.pop_back();
  return close();
}

bool HeaderHandler::finish_entry() {
  const auto missing = [&](std::string_view field) {
    return fail(ErrorCode::kBadInput, fmt::format("{} is missing", field), position());
  };
  if (!has_dtype_) return missing("dtype");
  if (!has_shape_) return missing("shape");
  if (!offset_count_) return missing("data_offsets");
  in_entry_ = false;
  return true;
}

bool HeaderHandler::start_array(std::size_t) {
  switch (expected_) {
    case Expected::kShape:
      return open(Level::kShape, Expected::kDimension);
    case Expected::kOffsets:
      return open(Level::kOffsets, Expected::kOffset);
    case Expected::kAnything:
      return open(Level::kUnknown, Expected::kAnything);
    default:
      return fail_type();
  }
}

bool HeaderHandler::end_array() {
  if (levels_.back() == Level::kOffsets && *offset_count_ != 2)
    return fail(ErrorCode::kBadInput, "data_offsets must hold two integers", position());
  return close();
}

// Returns a key that `rows` hold twice. Sorting an index costs far less memory than a set.
template <typename Row>
const std::string* find_duplicate(const std::vector<Row>& rows, std::string Row::*key) {
  std::vector<std::uint32_t> order(rows.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto key_of = [&](std::uint32_t row) -> const std::string& { return rows[row].*key; };
  std::ranges::sort(order, {}, key_of);
  const auto twin = std::ranges::adjacent_find(order, {}, key_of);
  return twin == order.end() ? nullptr : &key_of(*twin);
}

Status check_duplicates(const SafetensorsJson& json) {
  if (const auto* name = find_duplicate(json.entries, &SafetensorsEntry::name)) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("tensor \"{}\" appears twice in the header", escape_name(*name)));
  }
  if (const auto* name = find_duplicate(json.metadata, &MetadataEntry::key)) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("__metadata__ has the key \"{}\" twice", escape_name(*name)));
  }
  return {};
}

}  // namespace

Result<SafetensorsJson> parse_safetensors_json(std::string_view text, MemoryMeter& meter) {
  base::JsonText json(text);
  if (const auto defect = json.find_defect()) {
    return Error(defect->code,
                 fmt::format("{} (header offset {})", defect->reason, defect->position));
  }
  HeaderHandler handler(json, meter);
  const bool complete = json.parse(handler);
  if (handler.error()) return *std::move(handler.error());
  if (!complete) return Error(ErrorCode::kBadInput, "the header is not valid JSON");
  WPACK_TRY(check_duplicates(handler.result()));
  return std::move(handler.result());
}

}  // namespace wpack::import
