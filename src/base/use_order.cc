#include "wpack/use_order.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/json_document.h"
#include "wpack/text.h"

namespace wpack {
namespace {

constexpr const char* kUseOrderKind = "wpack_use_order";
constexpr std::uint64_t kUseOrderVersion = 1;
constexpr std::size_t kMaxLayers = std::size_t{1} << 20;

}  // namespace

Result<UseOrder> parse_use_order(std::string_view text) {
  WPACK_ASSIGN(nlohmann::json document, base::parse_json_document(text, kMaxUseOrderSize));
  WPACK_TRY(base::check_keys(document, "the file", {kUseOrderKind, "comment", "layers"}));
  WPACK_TRY(base::check_version(document, kUseOrderKind, kUseOrderVersion));
  if (!document.contains("layers")) return base::bad_json("the file", "has no \"layers\"");
  nlohmann::json& list = document["layers"];
  // A program that used nothing recorded that.
  if (!list.is_array() || !list.empty()) WPACK_TRY(base::check_list(list, "layers", kMaxLayers));
  UseOrder order;
  order.layers.reserve(list.size());
  std::set<std::string_view> seen;  // into `order`, which does not grow past what it reserved
  for (nlohmann::json& entry : list) {
    auto* name = entry.get_ptr<std::string*>();
    const std::string place = fmt::format("layers[{}]", order.layers.size());
    if (name == nullptr) return base::bad_json(place, "must be a text");
    order.layers.push_back(std::move(*name));
    if (!seen.insert(order.layers.back()).second) {
      return base::bad_json(place,
                            fmt::format("names '{}' again", escape_name(order.layers.back(), 256)));
    }
  }
  return order;
}

std::string to_json(const UseOrder& order) {
  nlohmann::ordered_json document;
  document[kUseOrderKind] = kUseOrderVersion;
  document["layers"] = order.layers;
  return document.dump(2) + "\n";
}

}  // namespace wpack
