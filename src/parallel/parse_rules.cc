#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/json_text.h"
#include "parallel/rule.h"
#include "wpack/tensor_parallel.h"
#include "wpack/text.h"

namespace wpack::parallel {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kVersion = 1;
constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxRules = 1024;
constexpr std::size_t kMaxGlobs = 1024;
constexpr std::size_t kMaxGlobSize = 4096;
constexpr std::size_t kMaxSegments = 64;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 32;
constexpr std::uint64_t kMaxDim = 254;

Error bad(std::string_view place, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("{} {}", place, reason)};
}

std::string quote_key(std::string_view key) { return fmt::format("\"{}\"", escape_name(key, 256)); }

Status check_text(std::string_view text) {
  if (text.size() > TensorParallelRules::kMaxTextSize) {
    return Error(ErrorCode::kLimit, fmt::format("has {} bytes, at most {} are read", text.size(),
                                                TensorParallelRules::kMaxTextSize));
  }
  if (const auto defect = base::JsonText(text).find_defect())
    return Error(defect->code, fmt::format("{} (offset {})", defect->reason, defect->position));
  return {};
}

// Parses a rule file; what the parser alone would let pass is an error.
Result<Json> parse_document(std::string_view text) {
  WPACK_TRY(check_text(text));
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
      case Json::parse_event_t::key:
        if (!keys.back().insert(value.get_ref<const std::string&>()).second)
          error = bad(quote_key(value.get_ref<const std::string&>()), "stands twice in an object");
        break;
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

// Parses a model's configuration, of which only what stands at the top is kept.
Result<Json> parse_config(std::string_view text) {
  if (text.empty()) return Json::object();
  const auto keep_top = [](int depth, Json::parse_event_t, Json&) { return depth <= 1; };
  Status checked = check_text(text);
  if (!checked) return std::move(checked).error().in("the model's configuration");
  Json config = Json::parse(text.begin(), text.end(), keep_top, false);
  if (!config.is_object())
    return Error(ErrorCode::kBadInput, "the model's configuration is not a JSON object");
  return config;
}

Status check_keys(const Json& object, std::string_view place,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return bad(place, "must be an object");
  for (const auto& item : object.items()) {
    if (std::ranges::find(known, item.key()) == known.end())
      return bad(place, fmt::format("has the unknown key {}", quote_key(item.key())));
    if (item.key() == "comment" && !item.value().is_string())
      return bad(place, "has a \"comment\" that is not a text");
  }
  return {};
}

Result<std::uint64_t> number(const Json& value, std::string_view place, std::uint64_t least,
                             std::uint64_t most) {
  if (value.is_number_unsigned()) {
    const auto found = value.get<std::uint64_t>();
    if (found >= least && found <= most) return found;
  }
  return bad(place, fmt::format("must be a whole number from {} to {}", least, most));
}

Status check_list(const Json& value, std::string_view place, std::size_t most) {
  if (!value.is_array() || value.empty()) return bad(place, "must be a list that is not empty");
  if (value.size() <= most) return {};
  return Error(ErrorCode::kLimit,
               fmt::format("{} has {} entries, at most {} are read", place, value.size(), most));
}

class RuleParser {
 public:
  RuleParser(const Json& values, const Json& config) : values_(values), config_(config) {}

  [[nodiscard]] Result<Rule> rule(const Json& value, const std::string& place) const {
    WPACK_TRY(check_keys(value, place, {"tensors", "dim", "heads", "segments", "comment"}));
    Rule rule;
    if (!value.contains("tensors")) return bad(place, "has no \"tensors\"");
    WPACK_ASSIGN(rule.globs, globs(value["tensors"], place + ".tensors"));
    if (!value.contains("dim")) return bad(place, "has no \"dim\"");
    WPACK_ASSIGN(const std::uint64_t dim, number(value["dim"], place + ".dim", 0, kMaxDim));
    rule.dim = static_cast<std::uint32_t>(dim);
    if (!value.contains("segments")) {
      Segment all;
      if (value.contains("heads")) {
        WPACK_ASSIGN(all.heads, number_or_name(value["heads"], place + ".heads"));
      }
      rule.segments.push_back(all);
      return rule;
    }
    if (value.contains("heads")) return bad(place, "has both \"heads\" and \"segments\"");
    WPACK_ASSIGN(rule.segments, segments(value["segments"], place + ".segments"));
    return rule;
  }

 private:
  [[nodiscard]] static Result<std::vector<std::string>> globs(const Json& value,
                                                              const std::string& place) {
    WPACK_TRY(check_list(value, place, kMaxGlobs));
    std::vector<std::string> globs;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const auto* glob = value[i].get_ptr<const std::string*>();
      if (glob == nullptr || glob->empty() || glob->size() > kMaxGlobSize) {
        return bad(fmt::format("{}[{}]", place, i),
                   fmt::format("must be a text of 1 to {} bytes", kMaxGlobSize));
      }
      globs.push_back(*glob);
    }
    return globs;
  }

  [[nodiscard]] Result<std::vector<Segment>> segments(const Json& value,
                                                      const std::string& place) const {
    WPACK_TRY(check_list(value, place, kMaxSegments));
    std::vector<Segment> segments;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string own = fmt::format("{}[{}]", place, i);
      WPACK_TRY(check_keys(value[i], own, {"share", "heads", "comment"}));
      Segment segment;
      if (value[i].contains("heads")) {
        WPACK_ASSIGN(segment.heads, number_or_name(value[i]["heads"], own + ".heads"));
        segment.share = segment.heads;
      }
      if (value[i].contains("share")) {
        WPACK_ASSIGN(segment.share, number_or_name(value[i]["share"], own + ".share"));
      }
      segments.push_back(segment);
    }
    return segments;
  }

  // A name stands for what the rule file gives it, else the model's configuration.
  [[nodiscard]] Result<std::uint64_t> number_or_name(const Json& value,
                                                     const std::string& place) const {
    const auto* name = value.get_ptr<const std::string*>();
    if (name == nullptr) return number(value, place, 1, kMaxNumber);
    for (const Json* numbers : {&values_, &config_}) {
      if (const auto found = numbers->find(*name); found != numbers->end())
        return number(*found, fmt::format("{}: {}", place, quote_key(*name)), 1, kMaxNumber);
    }
    return bad(place, fmt::format("names {}, which neither \"values\" nor the model's "
                                  "configuration has",
                                  quote_key(*name)));
  }

  const Json& values_;
  const Json& config_;
};

}  // namespace

Result<std::vector<Rule>> parse_rules(std::string_view text, std::string_view model_config) {
  WPACK_ASSIGN(const Json document, parse_document(text));
  WPACK_TRY(
      check_keys(document, "the file", {"wpack_tensor_parallel", "comment", "values", "rules"}));
  if (!document.contains("wpack_tensor_parallel"))
    return bad("the file", "has no \"wpack_tensor_parallel\"");
  WPACK_TRY(number(document["wpack_tensor_parallel"], "wpack_tensor_parallel", kVersion, kVersion));
  const Json values = document.value("values", Json::object());
  if (!values.is_object()) return bad("values", "must be an object");
  for (const auto& item : values.items())
    WPACK_TRY(number(item.value(), fmt::format("values.{}", quote_key(item.key())), 1, kMaxNumber));
  WPACK_ASSIGN(const Json config, parse_config(model_config));
  if (!document.contains("rules")) return bad("the file", "has no \"rules\"");
  const Json& list = document["rules"];
  WPACK_TRY(check_list(list, "rules", kMaxRules));
  const RuleParser parser(values, config);
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < list.size(); ++i) {
    WPACK_ASSIGN(Rule rule, parser.rule(list[i], fmt::format("rules[{}]", i)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace wpack::parallel
