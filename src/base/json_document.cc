#include "base/json_document.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/json_text.h"
#include "wpack/text.h"

namespace wpack::base {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 8;

}  // namespace

Error bad_json(std::string_view place, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("{} {}", place, reason)};
}

std::string quote_key(std::string_view key) { return fmt::format("\"{}\"", escape_name(key, 256)); }

Status check_json_text(std::string_view text, std::uint64_t max_size) {
  if (text.size() > max_size) {
    return Error(ErrorCode::kLimit,
                 fmt::format("has {} bytes, at most {} are read", text.size(), max_size));
  }
  if (const auto defect = JsonText(text).find_defect())
    return Error(defect->code, fmt::format("{} (offset {})", defect->reason, defect->position));
  return {};
}

Result<Json> parse_json_document(std::string_view text, std::uint64_t max_size) {
  WPACK_TRY(check_json_text(text, max_size));
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::optional<Error> error;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (error) return false;
    switch (event) {
      case Json::parse_event_t::object_start:
        keys.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= kMaxDepth) error = Error(ErrorCode::kBadInput, "it is nested too deeply");
        break;
      case Json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key: {
        const auto& key = value.get_ref<const std::string&>();
        if (!keys.back().insert(key).second)
          error = bad_json(quote_key(key), "stands twice in an object");
        break;
      }
      default:
        break;
    }
    return !error;
  };
  Json document = Json::parse(text.begin(), text.end(), watch, false);
  if (error) return *std::move(error);
  if (document.is_discarded()) return Error(ErrorCode::kBadInput, "it is not valid JSON");
  return document;
}

Status check_keys(const Json& object, std::string_view place,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return bad_json(place, "must be an object");
  for (const auto& item : object.items()) {
    if (std::ranges::find(known, item.key()) == known.end())
      return bad_json(place, fmt::format("has the unknown key {}", quote_key(item.key())));
    if (item.key() == "comment" && !item.value().is_string())
      return bad_json(place, "has a \"comment\" that is not a text");
  }
  return {};
}

Status check_version(const Json& document, const char* key, std::uint64_t version) {
  const auto found = document.find(key);
  if (found == document.end())
    return bad_json("the file", fmt::format("has no {}", quote_key(key)));
  const auto number = json_number(*found, key, version, version);
  return number ? Status() : Status(number.error());
}

Result<std::uint64_t> json_number(const Json& value, std::string_view place, std::uint64_t least,
                                  std::uint64_t most) {
  if (value.is_number_unsigned()) {
    const auto found = value.get<std::uint64_t>();
    if (found >= least && found <= most) return found;
  }
  return bad_json(place, fmt::format("must be a whole number from {} to {}", least, most));
}

Status check_list(const Json& value, std::string_view place, std::size_t most) {
  if (!value.is_array() || value.empty())
    return bad_json(place, "must be a list that is not empty");
  if (value.size() <= most) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{} has {} entries, at most {} are read", place, value.size(), most));
}

}  // namespace wpack::base
