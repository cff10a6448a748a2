#include <nlohmann/json.hpp>

#include "wpack/metrics.h"

namespace wpack {
namespace {

using Json = nlohmann::ordered_json;

Json seconds_by_cause(const PhaseNanoseconds& spent) {
  constexpr double kNanosecond = 1e-9;
  return {{"disk", static_cast<double>(spent.disk) * kNanosecond},
          {"verify", static_cast<double>(spent.verify) * kNanosecond},
          {"memory", static_cast<double>(spent.memory) * kNanosecond},
          {"readahead", static_cast<double>(spent.readahead) * kNanosecond},
          {"consumer", static_cast<double>(spent.consumer) * kNanosecond}};
}

// Reasons may name files, whose names are any bytes.
std::string dump_statistics(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string to_json(const AccessStats& stats) {
  Json json;
  json["mapped_bytes"] = stats.mapped_bytes;
  json["read_bytes"] = stats.read_bytes;
  json["direct_bytes"] = stats.direct_bytes;
  json["buffered_bytes"] = stats.buffered_bytes;
  json["brought_in_bytes"] = stats.brought_in_bytes;
  json["verified_bytes"] = stats.verified_bytes;
  json["prefetched_bytes"] = stats.prefetched_bytes;
  json["mapping_refused"] = stats.mapping_refused;
  json["fallbacks"] = Json::array();
  for (const Fallback& fallback : stats.fallbacks) {
    json["fallbacks"].push_back(
        {{"what", fallback.what}, {"reason", fallback.reason}, {"count", fallback.count}});
  }
  json["layer_hits"] = stats.layer_hits;
  json["layer_misses"] = stats.layer_misses;
  json["reads_in_flight"] = stats.reads_in_flight;
  json["stall_seconds"] = seconds_by_cause(stats.stalls);
  json["background_seconds"] = seconds_by_cause(stats.background);
  json["layers_given_up"] = stats.layers_given_up;
  json["memory_bytes"] = stats.memory_bytes;
  json["peak_memory_bytes"] = stats.peak_memory_bytes;
  json["huge_tlb_bytes"] = stats.huge_tlb_bytes;
  json["huge_asked_bytes"] = stats.huge_asked_bytes;
  json["reused_memory_bytes"] = stats.reused_memory_bytes;
  return dump_statistics(json);
}

std::string to_json(const WeightCacheStats& stats) {
  Json json;
  json["open_count"] = stats.open_count;
  json["hits"] = stats.hits;
  json["misses"] = stats.misses;
  json["evicted"] = stats.evicted;
  json["layer_hits"] = stats.layer_hits;
  json["layer_misses"] = stats.layer_misses;
  json["layers_given_up"] = stats.layers_given_up;
  json["memory_bytes"] = stats.memory_bytes;
  json["peak_memory_bytes"] = stats.peak_memory_bytes;
  return dump_statistics(json);
}

}  // namespace wpack
