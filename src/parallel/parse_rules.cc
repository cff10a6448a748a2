#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_document.h"
#include "parallel/rule.h"
#include "wpack/tensor_parallel.h"
#include "wpack/text.h"

namespace wpack::parallel {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kMaxTextSize = TensorParallelRules::kMaxTextSize;
constexpr std::size_t kMaxRules = 1024;
constexpr std::size_t kMaxGlobs = 1024;
constexpr std::size_t kMaxGlobSize = 4096;
constexpr std::size_t kMaxSegments = 64;
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 32;
constexpr std::uint64_t kMaxDim = 254;

// Parses a model's configuration, of which only what stands at the top is kept.
Result<Json> parse_config(std::string_view text) {
  if (text.empty()) return Json::object();
  const auto keep_top = [](int depth, Json::parse_event_t, Json&) { return depth <= 1; };
  Status checked = base::check_json_text(text, kMaxTextSize);
  if (!checked) return std::move(checked).error().in("the model's configuration");
  Json config = Json::parse(text.begin(), text.end(), keep_top, false);
  if (!config.is_object())
    return Error(ErrorCode::kBadInput, "the model's configuration is not a JSON object");
  return config;
}

class RuleParser {
 public:
  RuleParser(const Json& values, const Json& config) : values_(values), config_(config) {}

  [[nodiscard]] Result<Rule> rule(const Json& value, const std::string& place) const {
    WPACK_TRY(base::check_keys(value, place, {"tensors", "dim", "heads", "segments", "comment"}));
    Rule rule;
    if (!value.contains("tensors")) return base::bad_json(place, "has no \"tensors\"");
    WPACK_ASSIGN(rule.globs, globs(value["tensors"], place + ".tensors"));
    if (!value.contains("dim")) return base::bad_json(place, "has no \"dim\"");
    WPACK_ASSIGN(const std::uint64_t dim,
                 base::json_number(value["dim"], place + ".dim", 0, kMaxDim));
    rule.dim = static_cast<std::uint32_t>(dim);
    if (!value.contains("segments")) {
      Segment all;
      if (value.contains("heads")) {
        WPACK_ASSIGN(all.heads, number_or_name(value["heads"], place + ".heads"));
      }
      rule.segments.push_back(all);
      return rule;
    }
    if (value.contains("heads"))
      return base::bad_json(place, "has both \"heads\" and \"segments\"");
    WPACK_ASSIGN(rule.segments, segments(value["segments"], place + ".segments"));
    return rule;
  }

 private:
  [[nodiscard]] static Result<std::vector<std::string>> globs(const Json& value,
                                                              const std::string& place) {
    WPACK_TRY(base::check_list(value, place, kMaxGlobs));
    std::vector<std::string> globs;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const auto* glob = value[i].get_ptr<const std::string*>();
      if (glob == nullptr || glob->empty() || glob->size() > kMaxGlobSize) {
        return base::bad_json(fmt::format("{}[{}]", place, i),
                              fmt::format("must be a text of 1 to {} bytes", kMaxGlobSize));
      }
      globs.push_back(*glob);
    }
    return globs;
  }

  [[nodiscard]] Result<std::vector<Segment>> segments(const Json& value,
                                                      const std::string& place) const {
    WPACK_TRY(base::check_list(value, place, kMaxSegments));
    std::vector<Segment> segments;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string own = fmt::format("{}[{}]", place, i);
      WPACK_TRY(base::check_keys(value[i], own, {"share", "heads", "comment"}));
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
    if (name == nullptr) return base::json_number(value, place, 1, kMaxNumber);
    for (const Json* numbers : {&values_, &config_}) {
      if (const auto found = numbers->find(*name); found != numbers->end())
        return base::json_number(*found, fmt::format("{}: {}", place, base::quote_key(*name)), 1,
                                 kMaxNumber);
    }
    return base::bad_json(place, fmt::format("names {}, which neither \"values\" nor the model's "
                                             "configuration has",
                                             base::quote_key(*name)));
  }

  const Json& values_;
  const Json& config_;
};

}  // namespace

Result<std::vector<Rule>> parse_rules(std::string_view text, std::string_view model_config) {
  WPACK_ASSIGN(const Json document, base::parse_json_document(text, kMaxTextSize));
  WPACK_TRY(base::check_keys(document, "the file",
                             {"wpack_tensor_parallel", "comment", "values", "rules"}));
  WPACK_TRY(base::check_version(document, "wpack_tensor_parallel", kVersion));
  const Json values = document.value("values", Json::object());
  if (!values.is_object()) return base::bad_json("values", "must be an object");
  for (const auto& item : values.items())
    WPACK_TRY(base::json_number(item.value(), fmt::format("values.{}", base::quote_key(item.key())),
                                1, kMaxNumber));
  WPACK_ASSIGN(const Json config, parse_config(model_config));
  if (!document.contains("rules")) return base::bad_json("the file", "has no \"rules\"");
  const Json& list = document["rules"];
  WPACK_TRY(base::check_list(list, "rules", kMaxRules));
  const RuleParser parser(values, config);
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < list.size(); ++i) {
    WPACK_ASSIGN(Rule rule, parser.rule(list[i], fmt::format("rules[{}]", i)));
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace wpack::parallel
