#include "folder/weight_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "base/file_name.h"
#include "base/json_text.h"
#include "base/natural_order.h"
#include "wpack/text.h"

namespace wpack::folder {
namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kMaxKeys = 4'096;  // at the top, and in metadata
constexpr std::size_t kMaxTensors = std::size_t{1} << 21;
constexpr std::size_t kMaxFiles = 16'384;

}  // namespace

// Receives the parser's events, whose order is that of well-formed JSON. Each returns false to stop
// the parser, with the reason in `error_`.
class WeightMapHandler {
 public:
  explicit WeightMapHandler(const base::JsonText& text) : text_(text) {}

  // The names are those of the parser's interface.
  bool null() { return scalar(); }
  bool boolean(bool) { return scalar(); }
  bool number_integer(std::int64_t) { return scalar(); }
  bool number_float(double, const std::string&) { return scalar(); }
  bool binary(std::vector<std::uint8_t>&) { return scalar(); }
  bool number_unsigned(std::uint64_t value);
  bool string(std::string& value);
  bool start_object(std::size_t) { return open(true); }
  bool key(std::string& name);
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(false); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return fail(ErrorCode::kBadInput, "it is not valid JSON", position);
  }

  // Errors: what stopped the parser, and what only the end shows.
  Result<WeightMap> finish(bool complete);

 private:
  // What the value that comes next belongs to.
  enum class Place { kTop, kMetadata, kTotalSize, kWeightMap, kTensor, kElsewhere };

  bool scalar();
  bool open(bool object);
  bool close();
  bool top_key(const std::string& name);
  bool tensor_key(const std::string& name);
  bool add_key(std::set<std::string>& keys, const std::string& name);
  bool fail(ErrorCode code, std::string_view reason, std::size_t position);
  bool fail(std::string_view reason) {
    return fail(ErrorCode::kBadInput, reason, text_.position());
  }

  const base::JsonText& text_;
  WeightMap result_;
  std::optional<Error> error_;
  Place place_ = Place::kTop;
  std::vector<Place> levels_;  // of the objects and arrays that are open
  std::set<std::string> top_keys_;
  std::set<std::string> metadata_keys_;
  std::unordered_map<std::string, std::uint32_t> file_numbers_;
};

bool WeightMapHandler::fail(ErrorCode code, std::string_view reason, std::size_t position) {
  error_.emplace(code, fmt::format("{} (offset {})", reason, position));
  return false;
}

bool WeightMapHandler::scalar() {
  if (place_ == Place::kTop) return fail("it must be an object");
  if (place_ == Place::kWeightMap) return fail("weight_map must be an object");
  if (place_ == Place::kTensor) {
    const std::string_view name = result_.name_of(result_.entries_.back());
    return fail(fmt::format("tensor \"{}\": its file must be a text", escape_name(name)));
  }
  return true;
}

bool WeightMapHandler::number_unsigned(std::uint64_t value) {
  if (place_ == Place::kTotalSize) result_.total_size_ = value;
  return scalar();
}

bool WeightMapHandler::string(std::string& value) {
  if (place_ != Place::kTensor) return scalar();
  WeightMap::Entry& entry = result_.entries_.back();
  if (!base::is_plain_file_name(value)) {
    return fail(fmt::format("tensor \"{}\": its file \"{}\" is not a plain name in this folder",
                            escape_name(result_.name_of(entry)), escape_name(value, 256)));
  }
  const auto next = static_cast<std::uint32_t>(result_.files_.size());
  const auto [at, is_new] = file_numbers_.try_emplace(std::move(value), next);
  if (is_new) {
    if (next == kMaxFiles)
      return fail(ErrorCode::kLimit, "it names more than 16384 files", text_.position());
    result_.files_.push_back(at->first);
  }
  entry.file = at->second;
  return true;
}

bool WeightMapHandler::open(bool object) {
  if (place_ == Place::kTensor ||
      ((place_ == Place::kTop || place_ == Place::kWeightMap) && !object))
    return scalar();
  if (levels_.size() == kMaxDepth) return fail("it is nested too deeply");
  if (place_ == Place::kTotalSize || (place_ == Place::kMetadata && !object))
    place_ = Place::kElsewhere;
  levels_.push_back(place_);
  return true;
}

bool WeightMapHandler::close() {
  levels_.pop_back();
  return true;
}

bool WeightMapHandler::key(std::string& name) {
  switch (levels_.back()) {
    case Place::kTop:
      return top_key(name);
    case Place::kMetadata:
      place_ = name == "total_size" ? Place::kTotalSize : Place::kElsewhere;
      return add_key(metadata_keys_, name);
    case Place::kWeightMap:
      return tensor_key(name);
    default:
      place_ = Place::kElsewhere;
      return true;
  }
}

bool WeightMapHandler::top_key(const std::string& name) {
  place_ = name == "metadata"     ? Place::kMetadata
           : name == "weight_map" ? Place::kWeightMap
                                  : Place::kElsewhere;
  if (place_ == Place::kElsewhere && result_.warnings_.empty())
    result_.warnings_.push_back(fmt::format("unknown key \"{}\" ignored", escape_name(name, 256)));
  return add_key(top_keys_, name);
}

bool WeightMapHandler::add_key(std::set<std::string>& keys, const std::string& name) {
  if (keys.size() == kMaxKeys)
    return fail(ErrorCode::kLimit, "an object has more than 4096 keys", text_.position());
  if (keys.insert(name).second) return true;
  return fail(fmt::format("\"{}\" appears twice", escape_name(name, 256)));
}

bool WeightMapHandler::tensor_key(const std::string& name) {
  if (result_.entries_.size() == kMaxTensors)
    return fail(ErrorCode::kLimit, "weight_map has more than 2097152 tensors", text_.position());
  result_.entries_.push_back({.name_begin = static_cast<std::uint32_t>(result_.names_.size()),
                              .name_size = static_cast<std::uint32_t>(name.size())});
  result_.names_ += name;
  place_ = Place::kTensor;
  return true;
}

Result<WeightMap> WeightMapHandler::finish(bool complete) {
  if (error_) return *std::move(error_);
  if (!complete) return Error(ErrorCode::kBadInput, "it is not valid JSON");
  if (!top_keys_.contains("weight_map")) return Error(ErrorCode::kBadInput, "it has no weight_map");
  if (result_.entries_.empty()) return Error(ErrorCode::kBadInput, "its weight_map is empty");
  result_.sort_files();
  WPACK_TRY(result_.sort_tensors());
  return std::move(result_);
}

void WeightMap::sort_files() {
  std::vector<std::uint32_t> order(files_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    return base::natural_compare(files_[a], files_[b]) < 0;
  });
  std::vector<std::string> sorted;
  std::vector<std::uint32_t> place_of(files_.size());
  for (const std::uint32_t file : order) {
    place_of[file] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(std::move(files_[file]));
  }
  files_ = std::move(sorted);
  for (Entry& entry : entries_) entry.file = place_of[entry.file];
}

Status WeightMap::sort_tensors() {
  const auto name = [&](const Entry& entry) { return name_of(entry); };
  std::ranges::sort(entries_, {}, name);
  const auto twin = std::ranges::adjacent_find(entries_, {}, name);
  if (twin == entries_.end()) return {};
  return Error(ErrorCode::kBadInput,
               fmt::format("tensor \"{}\" appears twice in weight_map", escape_name(name(*twin))));
}

std::uint64_t WeightMap::kept_bytes() const noexcept {
  std::uint64_t size = names_.capacity() + entries_.capacity() * sizeof(Entry);
  for (const std::string& file : files_) size += sizeof(std::string) + file.capacity();
  return size;
}

Result<WeightMap> WeightMap::parse(std::string_view text) {
  base::JsonText json(text);
  if (const auto defect = json.find_defect()) {
    return Error(defect->code, fmt::format("{} (offset {})", defect->reason, defect->position));
  }
  WeightMapHandler handler(json);
  const bool complete = json.parse(handler);
  return handler.finish(complete);
}

}  // namespace wpack::folder
